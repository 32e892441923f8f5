/**
 * Makes definitions real: accepts their names, serves their versions, and when one is deleted removes its objects first.
 * A definition is served in the same moment as it is stored.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import { LOOPBACK } from '../authn/user-info.ts';
import { serveScale } from '../builtin/scale-subresource.ts';
import { type Cluster, timeText } from '../cluster.ts';
import { DeferredQueue } from '../controllers/deferred-queue.ts';
import { type ApiObject, type JsonObject, objectAt, objectsAt, sameJson, stringAt, stringsAt } from '../json-value.ts';
import type { Resource } from '../registry/resource.ts';
import { DELETE_NOW, deleteObject } from '../rest/delete-object.ts';
import type { SubresourceHooks } from '../rest/subresource-hooks.ts';
import { updateObject } from '../rest/write-object.ts';
import { ApiError } from '../status-error.ts';
import { resourceKey, type StoreChange } from '../storage/object-store.ts';
import { customResources } from './custom-resource.ts';
import { CLEANUP_FINALIZER } from './definition-rules.ts';

const DEFINITIONS = resourceKey('apiextensions.k8s.io', 'customresourcedefinitions');
const STATUS_WRITE = { user: LOOPBACK, manager: 'kube-apiserver', dryRun: false, subresource: 'status' };

interface Finding {
  readonly type: string;
  readonly ok: boolean;
  readonly reason: string;
  readonly message: string;
}

/** The time moves only when the status does. */
function condition(finding: Finding, before: readonly JsonObject[], now: string): JsonObject {
  const { type, ok, reason, message } = finding;
  const status = ok ? 'True' : 'False';
  const same = before.find((known) => known['type'] === type && known['status'] === status);
  return { type, status, lastTransitionTime: same?.['lastTransitionTime'] ?? now, reason, message };
}

function findings(clash: string | undefined): readonly Finding[] {
  if (clash === undefined) {
    return [
      { type: 'NamesAccepted', ok: true, reason: 'NoConflicts', message: 'no conflicts found' },
      {
        type: 'Established',
        ok: true,
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      },
    ];
  }
  return [
    { type: 'NamesAccepted', ok: false, reason: 'NameConflict', message: `"${clash}" is already in use` },
    { type: 'Established', ok: false, reason: 'NotAccepted', message: 'not all names are accepted' },
  ];
}

function keysOf(definition: ApiObject): {
  readonly storageKey: string;
  readonly group: string;
  readonly plural: string;
} {
  const spec = objectAt(definition, 'spec');
  const group = stringAt(spec, 'group') ?? '';
  const plural = stringAt(objectAt(spec, 'names'), 'plural') ?? '';
  return { group, plural, storageKey: resourceKey(group, plural) };
}

export interface DefinitionControllerDeps {
  readonly cluster: Cluster;
  readonly hooks: SubresourceHooks;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
}

export class DefinitionController {
  private readonly cluster: Cluster;
  private readonly hooks: SubresourceHooks;
  private readonly queue: DeferredQueue;
  private readonly served = new Map<string, readonly Resource[]>();
  /** Names of definitions that are being deleted, by the storage key of their objects. */
  private readonly ending = new Map<string, string>();

  constructor(deps: DefinitionControllerDeps) {
    this.cluster = deps.cluster;
    this.cluster.guards.push(({ resource, old }) => {
      if (old !== undefined || !this.ending.has(resource.storageKey)) return;
      throw new ApiError(
        405,
        'MethodNotAllowed',
        'create not allowed while custom resource definition is terminating',
        {},
      );
    });
    this.hooks = deps.hooks;
    this.queue = new DeferredQueue({
      name: 'custom-resource-definitions',
      clock: deps.clock,
      logger: deps.logger,
      work: (name) => {
        this.cleanUp(name);
      },
    });
  }

  readonly onChange = (change: StoreChange): void => {
    if (change.resource === DEFINITIONS) {
      if (change.kind === 'DELETED') this.withdraw(change.object);
      else this.establish(change.object, change.previous);
      return;
    }
    const ending = change.kind === 'DELETED' ? this.ending.get(change.resource) : undefined;
    if (ending !== undefined) this.queue.add(ending);
  };

  relearn(): void {
    for (const resources of this.served.values())
      resources.forEach((resource) => {
        this.cluster.registry.remove(resource);
      });
    this.served.clear();
    this.ending.clear();
    for (const definition of this.cluster.store.sorted(DEFINITIONS)) this.establish(definition, undefined);
  }

  stop(): void {
    this.queue.stop();
  }

  /** Whose names these already are, if not ours. */
  private rival(definition: ApiObject): string | undefined {
    const { group, plural } = keysOf(definition);
    const names = objectAt(objectAt(definition, 'spec'), 'names');
    const mine = new Set([plural, stringAt(names, 'singular'), ...stringsAt(names, 'shortNames')]);
    for (const resource of this.cluster.registry.all()) {
      if (resource.group !== group || resource.plural === plural) continue;
      const clash = [resource.plural, resource.singular, ...resource.shortNames].find((name) => mine.has(name));
      if (clash !== undefined) return clash;
      if (resource.kind === names?.['kind']) return resource.kind;
    }
    return undefined;
  }

  private establish(definition: ApiObject, previous: ApiObject | undefined): void {
    const { name, deletionTimestamp } = definition.metadata;
    if (deletionTimestamp !== undefined) {
      this.ending.set(keysOf(definition).storageKey, name);
      this.queue.add(name);
    }
    const unchanged = previous !== undefined && sameJson(previous['spec'], definition['spec']);
    if (!unchanged) {
      const clash = this.rival(definition);
      if (clash === undefined) this.serve(definition);
      this.writeStatus(definition, clash);
    }
  }

  private serve(definition: ApiObject): void {
    this.unserve(definition.metadata.name);
    const resources = customResources(definition);
    for (const resource of resources) this.cluster.registry.add(resource);
    this.served.set(definition.metadata.name, resources);
    this.serveScales(definition);
  }

  private serveScales(definition: ApiObject): void {
    const { group, plural } = keysOf(definition);
    for (const version of objectsAt(objectAt(definition, 'spec'), 'versions')) {
      const scale = objectAt(objectAt(version, 'subresources'), 'scale');
      if (scale === undefined) continue;
      const path = (field: string): string[] => (stringAt(scale, field) ?? '').split('.').filter((part) => part !== '');
      const selector = path('labelSelectorPath');
      const paths = {
        replicas: path('specReplicasPath'),
        statusReplicas: path('statusReplicasPath'),
        selector: selector.length === 0 ? undefined : selector,
      };
      const name = { group, resource: plural, subresource: 'scale' };
      this.hooks.register(name, (call) => serveScale(this.cluster, call, paths));
    }
  }

  private unserve(name: string): void {
    for (const resource of this.served.get(name) ?? []) this.cluster.registry.remove(resource);
    this.served.delete(name);
  }

  private withdraw(definition: ApiObject): void {
    this.unserve(definition.metadata.name);
    this.ending.delete(keysOf(definition).storageKey);
  }

  private writeStatus(definition: ApiObject, clash: string | undefined): void {
    const resource = this.cluster.registry.storedAs(DEFINITIONS);
    if (resource === undefined) return;
    const now = timeText(this.cluster.clock.nowMs());
    const names = objectAt(objectAt(definition, 'spec'), 'names') ?? {};
    const status = objectAt(definition, 'status') ?? {};
    const before = objectsAt(status, 'conditions');
    const conditions = findings(clash).map((finding) => condition(finding, before, now));
    const storage = stringAt(
      objectsAt(objectAt(definition, 'spec'), 'versions').find((version) => version['storage'] === true),
      'name',
    );
    const storedVersions = [
      ...new Set([...stringsAt(status, 'storedVersions'), ...(storage === undefined ? [] : [storage])]),
    ];
    const next = { ...definition, status: { ...status, conditions, acceptedNames: names, storedVersions } };
    const old = this.cluster.store.get(DEFINITIONS, '', definition.metadata.name);
    if (old !== undefined)
      updateObject(this.cluster, resource, { old, next: { ...next, metadata: old.metadata } }, STATUS_WRITE);
  }

  /** Deletes the objects of a definition that is going, then lets it go. */
  private cleanUp(name: string): void {
    const definition = this.cluster.store.get(DEFINITIONS, '', name);
    const resource = this.cluster.registry.storedAs(DEFINITIONS);
    if (definition?.metadata.deletionTimestamp === undefined || resource === undefined) return;
    const { storageKey } = keysOf(definition);
    const custom = this.cluster.registry.storedAs(storageKey);
    let left = 0;
    for (const object of [...this.cluster.store.values(storageKey)]) {
      if (object.metadata.deletionTimestamp !== undefined || custom === undefined) left++;
      else if (!deleteObject(this.cluster, custom, object, DELETE_NOW).gone) left++;
    }
    if (left > 0) return;
    const finalizers = (definition.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
    const next = { ...definition, metadata: { ...definition.metadata, finalizers } };
    updateObject(this.cluster, resource, { old: definition, next }, { ...STATUS_WRITE, subresource: '' });
  }
}
