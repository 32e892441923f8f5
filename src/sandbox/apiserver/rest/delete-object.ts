/**
 * Deleting: preconditions, grace, finalizers and what happens to dependents. An object that must wait is marked with
 * deletionTimestamp; whoever removes the last reason to wait makes it vanish (write-object.ts).
 */
import { type Cluster, timeText } from '../cluster.ts';
import { type ApiObject, type JsonObject, numberAt, objectAt, stringAt, stringsAt } from '../json-value.ts';
import type { Resource } from '../registry/resource.ts';
import { badRequest, conflict } from '../status-error.ts';
import { isFinished } from './write-object.ts';

export type Propagation = 'Foreground' | 'Background' | 'Orphan';

export interface DeleteRequest {
  readonly propagation: Propagation | undefined;
  readonly graceSeconds: number | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly dryRun: boolean;
}

export const DELETE_NOW: DeleteRequest = {
  propagation: 'Background',
  graceSeconds: undefined,
  uid: undefined,
  resourceVersion: undefined,
  dryRun: false,
};

const PROPAGATIONS: readonly string[] = ['Foreground', 'Background', 'Orphan'];

/** Reads metav1.DeleteOptions from body and query; the query wins where both speak. */
export function readDeleteOptions(body: JsonObject, query: URLSearchParams): DeleteRequest {
  const policy = query.get('propagationPolicy') ?? stringAt(body, 'propagationPolicy');
  const orphan = body['orphanDependents'];
  if (policy !== undefined && !PROPAGATIONS.includes(policy)) {
    throw badRequest(
      `invalid DeleteOptions: propagationPolicy: Invalid value: "${policy}": must be one of Foreground, Background, Orphan`,
    );
  }
  const grace = query.get('gracePeriodSeconds');
  const seconds = grace === null ? numberAt(body, 'gracePeriodSeconds') : Number(grace);
  if (seconds !== undefined && (!Number.isInteger(seconds) || seconds < 0)) {
    throw badRequest(`invalid DeleteOptions: gracePeriodSeconds: Invalid value: ${seconds}: must be 0 or more`);
  }
  const preconditions = objectAt(body, 'preconditions');
  return {
    propagation:
      (policy as Propagation | undefined) ?? (orphan === true ? 'Orphan' : orphan === false ? 'Background' : undefined),
    graceSeconds: seconds,
    uid: stringAt(preconditions, 'uid'),
    resourceVersion: stringAt(preconditions, 'resourceVersion'),
    dryRun: query.get('dryRun') === 'All' || stringsAt(body, 'dryRun').includes('All'),
  };
}

function checkPreconditions(resource: Resource, object: ApiObject, request: DeleteRequest): void {
  const { uid, resourceVersion, name } = object.metadata;
  if (request.uid !== undefined && request.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${request.uid}, UID in object meta: ${uid ?? ''}`;
    throw conflict(resource, name, why);
  }
  if (request.resourceVersion !== undefined && request.resourceVersion !== resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${request.resourceVersion}, ResourceVersion in object meta: ${resourceVersion ?? ''}`;
    throw conflict(resource, name, why);
  }
}

function finalizersFor(resource: Resource, object: ApiObject, propagation: Propagation | undefined): string[] {
  const had = object.metadata.finalizers ?? [];
  const kept = had.filter((finalizer) => finalizer !== 'orphan' && finalizer !== 'foregroundDeletion');
  if (propagation === 'Orphan') return [...kept, 'orphan'];
  if (propagation === 'Foreground') return [...kept, 'foregroundDeletion'];
  if (propagation === 'Background') return kept;
  // The client did not say: what is already there decides, then the kind.
  if (kept.length !== had.length) return had;
  return resource.strategy.defaultPropagation === 'Orphan' ? [...kept, 'orphan'] : kept;
}

/** Grace for an object that may be terminating already: it only ever shortens. */
function graceFor(resource: Resource, object: ApiObject, asked: number | undefined): number {
  const wanted = resource.strategy.graceSeconds?.(object, asked) ?? 0;
  const running = object.metadata.deletionGracePeriodSeconds;
  return running === undefined ? wanted : Math.min(wanted, running);
}

function marked(cluster: Cluster, object: ApiObject, finalizers: string[], grace: number): ApiObject {
  const { metadata } = object;
  const nowMs = cluster.clock.nowMs();
  const started = metadata.deletionTimestamp !== undefined;
  const shortened = started && (metadata.deletionGracePeriodSeconds ?? 0) > grace;
  const next: ApiObject = { ...object, metadata: { ...metadata } };
  if (!started || shortened) {
    next.metadata.deletionTimestamp = timeText(nowMs + grace * 1000);
    next.metadata.deletionGracePeriodSeconds = grace;
    if (!started && metadata.generation !== undefined) next.metadata.generation = metadata.generation + 1;
  }
  if (finalizers.length > 0) next.metadata.finalizers = finalizers;
  else Reflect.deleteProperty(next.metadata, 'finalizers');
  return next;
}

export interface DeleteOutcome {
  /** As it is now, or was when it vanished. */
  readonly object: ApiObject;
  readonly gone: boolean;
}

/** Deletes or marks for deletion. Throws 409 when a precondition fails. */
export function deleteObject(
  cluster: Cluster,
  resource: Resource,
  object: ApiObject,
  request: DeleteRequest,
): DeleteOutcome {
  checkPreconditions(resource, object, request);
  const finalizers = finalizersFor(resource, object, request.propagation);
  const grace = graceFor(resource, object, request.graceSeconds);
  const next = marked(cluster, object, finalizers, grace);
  const gone = isFinished(resource, next);
  if (!gone) resource.strategy.mark?.(next);
  if (request.dryRun) return { object: next, gone };
  if (gone) return { object: cluster.store.remove(resource.storageKey, object), gone: true };
  const before = object.metadata;
  const after = next.metadata;
  const moved =
    before.deletionTimestamp !== after.deletionTimestamp ||
    // Times are in whole seconds: a grace that got shorter may end in the same one.
    before.deletionGracePeriodSeconds !== after.deletionGracePeriodSeconds ||
    (before.finalizers ?? []).join() !== (after.finalizers ?? []).join();
  return { object: moved ? cluster.store.write(resource.storageKey, object, next) : object, gone: false };
}
