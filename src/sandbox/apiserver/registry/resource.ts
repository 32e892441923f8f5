/** What the server knows of one served resource type: its names, its shape, and the rules of writing it. */
import type { ApiObject, JsonObject } from '../json-value.ts';
import type { FieldError } from '../field-error.ts';
import type { ObjectNode } from '../schema/schema-node.ts';
import type { UserInfo } from '../authn/user-info.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** How names of a kind are checked. */
export type NameRule = 'dns-subdomain' | 'dns-label' | 'service' | 'path-segment' | 'namespace';

/** Read access that rules need: other objects of the cluster, and the moment. */
export interface WriteContext {
  readonly user: UserInfo;
  /** RFC 3339, whole seconds. */
  readonly now: string;
  get(group: string, plural: string, namespace: string, name: string): ApiObject | undefined;
  values(group: string, plural: string, namespace?: string): Iterable<ApiObject>;
}

/** Rules of a kind. Functions that change an object do it in place on a body that is not stored yet. */
export interface Strategy {
  readonly nameRule: NameRule;
  /** Writes to the main resource keep the status; the status subresource keeps everything else. */
  readonly hasStatus: boolean;
  /** Top-level members whose change bumps metadata.generation; empty = the kind has none. `*` = all but metadata and status. */
  readonly generationOf: readonly string[];
  /** What DELETE does to dependents when the client does not say. */
  readonly defaultPropagation: 'Background' | 'Orphan';
  /** Something besides metadata.finalizers keeps an object that is being deleted (namespace contents). */
  readonly isHeld?: (object: ApiObject) => boolean;
  /** Seconds that the object keeps existing after DELETE, given what the client asked for; absent = none. */
  readonly graceSeconds?: (object: ApiObject, asked: number | undefined) => number;
  /** Changes an object that is being marked for deletion, in place. */
  readonly mark?: (object: ApiObject) => void;
  /** DELETE answers with the object instead of a Status. */
  readonly returnsDeleted: boolean;
  /** Fills in defaults; must change nothing when applied twice. */
  readonly setDefaults?: (object: JsonObject) => void;
  readonly prepareCreate?: (object: ApiObject, context: WriteContext) => void;
  readonly prepareUpdate?: (object: ApiObject, old: ApiObject, context: WriteContext) => void;
  readonly validate?: (object: ApiObject, errors: FieldError[]) => void;
  readonly validateUpdate?: (object: ApiObject, old: ApiObject, errors: FieldError[]) => void;
  /** Rules that need other objects or the user; throws ApiError. `old` undefined on create. */
  readonly admit?: (object: ApiObject, old: ApiObject | undefined, context: WriteContext) => void;
}

/** What one kind says of its own; the rest is common. */
export type KindRules = Partial<Strategy>;

export interface Subresource {
  readonly name: string;
  readonly verbs: readonly Verb[];
  /** Kind of the body; the parent's kind for `status`. */
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
}

/** One column of a table; `value` may return undefined for an empty cell. */
export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format: string;
  readonly description: string;
  readonly priority: number;
  readonly value: (object: ApiObject, nowMs: number) => string | number | boolean | undefined;
}

/** Rules of a custom resource version, compiled from its definition. */
export interface CustomRules {
  /** Drops what the schema does not know; returns the dropped paths. In place. */
  prune(object: JsonObject): readonly string[];
  setDefaults(object: JsonObject): void;
  validate(object: ApiObject, old: ApiObject | undefined): readonly FieldError[];
}

export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  /** Where objects of all versions live. */
  readonly storageKey: string;
  readonly storageVersion: string;
  readonly schema: ObjectNode;
  readonly strategy: Strategy;
  /** Dotted paths that field selectors may name. */
  readonly selectableFields: readonly string[];
  readonly columns: readonly Column[];
  readonly subresources: ReadonlyMap<string, Subresource>;
  readonly custom?: CustomRules;
}

export function apiVersionOf(resource: { readonly group: string; readonly version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}
