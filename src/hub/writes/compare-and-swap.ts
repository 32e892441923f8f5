/**
 * Every write of the hub to an object of its own kinds: a merge patch of what changed, valid only against the version that it
 * was computed from.
 *
 * Invariants: a write carries the resourceVersion it was decided on, so that a lost race is a conflict and never an
 * overwrite; the answer is the newest object, from which the caller goes on without reading again.
 */
import { API_VERSION, type ApiResource } from '../../api/schema/kube-object.ts';
import { FIELD_MANAGERS } from '../../api/v1alpha1/labels.ts';
import type { KubeClient, ObjectRef } from '../../platform/kube/kube-client.ts';
import type { RawObject } from '../state/job-record.ts';
import { mergePatchBetween } from '../state/merge-patch.ts';

type Json = Readonly<Record<string, unknown>>;

export function refOf(type: ApiResource, object: RawObject): ObjectRef {
  const { namespace, name = '' } = object.metadata;
  return { type, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** An object and its status as decoded from it; what the decoder does not know is left as it is. */
export interface StatusTarget {
  readonly type: ApiResource;
  readonly object: RawObject;
  readonly before: object;
}

/** Undefined when `after` says what the object already says: nothing was written. Throws KubeError 409 for a lost race. */
export async function swapStatus(
  client: KubeClient,
  target: StatusTarget,
  after: object,
  signal?: AbortSignal,
): Promise<RawObject | undefined> {
  const patch = mergePatchBetween(target.before as Json, after as Json);
  if (patch === undefined) return undefined;
  const body = { metadata: { resourceVersion: target.object.metadata.resourceVersion }, status: patch };
  return client.mergePatch<RawObject>(refOf(target.type, target.object), body, {
    subresource: 'status',
    fieldManager: FIELD_MANAGERS.hub,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Puts exactly these finalizers on the object. */
export async function swapFinalizers(
  client: KubeClient,
  target: { readonly type: ApiResource; readonly object: RawObject },
  finalizers: readonly string[],
  signal?: AbortSignal,
): Promise<RawObject> {
  const { resourceVersion } = target.object.metadata;
  const body = { metadata: { resourceVersion, finalizers } };
  return client.mergePatch<RawObject>(refOf(target.type, target.object), body, {
    fieldManager: FIELD_MANAGERS.hub,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** What an event is about. Objects of a list come without their type. */
export function eventSubject(
  type: ApiResource,
  object: RawObject,
): RawObject & { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: API_VERSION, kind: type.kind, metadata: object.metadata };
}
