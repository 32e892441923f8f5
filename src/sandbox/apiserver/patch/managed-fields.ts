/**
 * Who owns which field: metadata.managedFields of updates and of server-side apply. It decides conflicts, what an applier
 * takes over or gives up, and the resulting entries. Paths that identify an object belong to nobody.
 */
import { type ApiObject, isObject, type JsonObject, type ManagedFieldsEntry, sameJson } from '../json-value.ts';
import type { SchemaNode } from '../schema/schema-node.ts';
import { applyConflict } from '../status-error.ts';
import {
  EMPTY_SET,
  type FieldSet,
  intersectSets,
  isEmptySet,
  pathsOf,
  subtractSets,
  unionSets,
  withoutSubtrees,
} from './field-set.ts';
import { compareFields, type FieldChanges, fieldsOf } from './typed-fields.ts';
import { mergeTyped, pruneGivenUp } from './typed-merge.ts';

export interface FieldWriter {
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339. */
  readonly now: string;
  /** Fields that this endpoint resets: whoever writes through it does not come to own them. */
  readonly resets: FieldSet;
}

const IDENTITY: FieldSet = {
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    'f:name': {},
    'f:namespace': {},
    'f:creationTimestamp': {},
    'f:selfLink': {},
    'f:uid': {},
    'f:generation': {},
    'f:managedFields': {},
    'f:resourceVersion': {},
    'f:deletionTimestamp': {},
    'f:deletionGracePeriodSeconds': {},
  },
};

/** What a create is compared with. */
const UNBORN: JsonObject = { metadata: {} };

function withoutIdentity(set: FieldSet): FieldSet {
  if (set['f:metadata'] === undefined && set['f:kind'] === undefined && set['f:apiVersion'] === undefined) return set;
  return withoutSubtrees(set, IDENTITY);
}

function fieldsIn(entry: ManagedFieldsEntry): FieldSet {
  return isObject(entry.fieldsV1) ? entry.fieldsV1 : EMPTY_SET;
}

function isSameWriter(entry: ManagedFieldsEntry, writer: FieldWriter, operation: 'Apply' | 'Update'): boolean {
  return (
    entry.manager === writer.manager &&
    entry.operation === operation &&
    (entry.subresource ?? '') === writer.subresource &&
    (operation === 'Apply' || entry.apiVersion === writer.apiVersion)
  );
}

function entryOf(writer: FieldWriter, operation: 'Apply' | 'Update', fields: FieldSet): ManagedFieldsEntry {
  return {
    manager: writer.manager,
    operation,
    apiVersion: writer.apiVersion,
    time: writer.now,
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
    ...(writer.subresource === '' ? {} : { subresource: writer.subresource }),
  };
}

/** Appliers first, each kind oldest first: the order in which the real server publishes them. */
function inOrder(entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  const rank = (entry: ManagedFieldsEntry): string =>
    `${entry.operation === 'Apply' ? 0 : 1} ${entry.time ?? ''} ${entry.manager ?? ''} ${entry.subresource ?? ''}`;
  return [...entries].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function withFields(entry: ManagedFieldsEntry, fields: FieldSet): ManagedFieldsEntry | undefined {
  if (isEmptySet(fields)) return undefined;
  return fields === entry.fieldsV1 ? entry : { ...entry, fieldsV1: fields };
}

/** A request may replace the list as a whole; `[]` or `[{}]` forgets it. */
function entriesFor(live: ApiObject | undefined, next: ApiObject, writer: FieldWriter): readonly ManagedFieldsEntry[] {
  const mine = live?.metadata.managedFields ?? [];
  const given = next.metadata.managedFields;
  if (live === undefined || writer.subresource !== '' || given === undefined || given === mine) return mine;
  const only = given[0];
  if (given.length === 0 || (given.length === 1 && only?.manager === undefined)) return [];
  return given;
}

/** managedFields after a create or an update that is not an apply. `live` undefined on create. */
export function ownByUpdate(
  schema: SchemaNode,
  live: ApiObject | undefined,
  next: ApiObject,
  writer: FieldWriter,
): ManagedFieldsEntry[] {
  const entries = entriesFor(live, next, writer);
  const changes = compareFields(schema, live ?? UNBORN, next);
  const touched = withoutSubtrees(withoutIdentity(unionSets(changes.added, changes.modified)), writer.resets);
  const result: ManagedFieldsEntry[] = [];
  let mine: FieldSet = EMPTY_SET;
  let before: ManagedFieldsEntry | undefined;
  for (const entry of entries) {
    const left = withoutSubtrees(fieldsIn(entry), changes.removed);
    if (isSameWriter(entry, writer, 'Update')) {
      mine = unionSets(mine, left);
      before = entry;
      continue;
    }
    const kept = withFields(entry, isEmptySet(touched) ? left : subtractSets(left, touched));
    if (kept !== undefined) result.push(kept);
  }
  const fields = isEmptySet(touched) ? mine : unionSets(mine, touched);
  if (isEmptySet(fields)) return inOrder(result);
  const unchanged = before !== undefined && sameJson(before.fieldsV1, fields) && isEmptySet(touched);
  result.push(unchanged && before !== undefined ? before : entryOf(writer, 'Update', fields));
  return inOrder(result);
}

export interface AppliedObject {
  readonly object: JsonObject;
  readonly managedFields: ManagedFieldsEntry[];
}

interface Conflict {
  readonly entry: ManagedFieldsEntry;
  readonly path: string;
}

function managerText(entry: ManagedFieldsEntry): string {
  const name = JSON.stringify(entry.manager ?? '');
  const withSubresource = entry.subresource === undefined ? name : `${name} with subresource "${entry.subresource}"`;
  if (entry.operation !== 'Update') return withSubresource;
  const using = `${withSubresource} using ${entry.apiVersion ?? ''}`;
  return entry.time === undefined ? using : `${using} at ${entry.time}`;
}

function refuseConflicts(conflicts: readonly Conflict[]): void {
  if (conflicts.length === 0) return;
  const byManager = new Map<string, string[]>();
  for (const { entry, path } of conflicts) {
    const name = managerText(entry);
    byManager.set(name, [...(byManager.get(name) ?? []), path]);
  }
  const single = conflicts[0];
  const text =
    conflicts.length === 1 && single !== undefined
      ? `conflict with ${managerText(single.entry)}: ${single.path}`
      : [...byManager]
          .map(([name, paths]) => `conflicts with ${name}:\n${paths.map((p) => `- ${p}`).join('\n')}`)
          .join('\n');
  throw applyConflict(
    `Apply failed with ${conflicts.length} conflict${conflicts.length === 1 ? '' : 's'}: ${text}`,
    conflicts.map(({ entry, path }) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${managerText(entry)}`,
      field: path,
    })),
  );
}

function ownersBeforeFirstApply(
  schema: SchemaNode,
  live: ApiObject,
  writer: FieldWriter,
): readonly ManagedFieldsEntry[] {
  const entries = live.metadata.managedFields ?? [];
  if (entries.length > 0) return entries;
  const fields = withoutSubtrees(withoutIdentity(fieldsOf(schema, live)), writer.resets);
  return [entryOf({ ...writer, manager: 'before-first-apply', subresource: '' }, 'Update', fields)];
}

interface Ownership {
  readonly kept: ManagedFieldsEntry[];
  readonly conflicts: Conflict[];
}

/** What the other managers keep of their fields, and where they stand against the change. */
function othersAfter(others: readonly ManagedFieldsEntry[], touched: FieldSet, removed: FieldSet): Ownership {
  const kept: ManagedFieldsEntry[] = [];
  const conflicts: Conflict[] = [];
  for (const entry of others) {
    const fields = fieldsIn(entry);
    const lost = intersectSets(fields, touched);
    conflicts.push(...pathsOf(lost).map((path) => ({ entry, path })));
    const left = withFields(entry, withoutSubtrees(subtractSets(fields, lost), removed));
    if (left !== undefined) kept.push(left);
  }
  return { kept, conflicts };
}

function merged(
  schema: SchemaNode,
  live: ApiObject | undefined,
  config: ApiObject,
  claims: {
    readonly applied: FieldSet;
    readonly previous: ManagedFieldsEntry | undefined;
    readonly others: readonly ManagedFieldsEntry[];
  },
): JsonObject {
  const object = mergeTyped(schema, live, config) as JsonObject;
  if (claims.previous === undefined) return object;
  const owned = claims.others.reduce((all, entry) => unionSets(all, fieldsIn(entry)), claims.applied);
  return pruneGivenUp(schema, object, { givenUp: fieldsIn(claims.previous), owned }) as JsonObject;
}

/**
 * Server-side apply of `config` (identity fields included) over `live`. Throws a 409 with one cause per field when others own what
 * would change, unless `force`. The result still has to pass the kind's own defaulting and validation.
 */
export function applyConfiguration(
  schema: SchemaNode,
  live: ApiObject | undefined,
  config: ApiObject,
  options: { readonly writer: FieldWriter; readonly force: boolean },
): AppliedObject {
  const { writer, force } = options;
  const applied = withoutIdentity(fieldsOf(schema, config));
  const entries = live === undefined ? [] : ownersBeforeFirstApply(schema, live, writer);
  const previous = entries.find((entry) => isSameWriter(entry, writer, 'Apply'));
  const others = entries.filter((entry) => entry !== previous);
  const object = merged(schema, live, config, { applied, previous, others });
  const changes: FieldChanges = compareFields(schema, live ?? UNBORN, object);
  const touched = withoutIdentity(unionSets(changes.added, changes.modified));
  const { kept, conflicts } = othersAfter(others, touched, changes.removed);
  if (!force) refuseConflicts(conflicts);
  const still = isEmptySet(touched) && isEmptySet(changes.removed) && previous?.apiVersion === writer.apiVersion;
  if (still && sameJson(previous.fieldsV1, applied)) kept.push(previous);
  else if (!isEmptySet(applied)) kept.push(entryOf(writer, 'Apply', applied));
  return { object, managedFields: inOrder(kept) };
}
