/** What differs between two versions of one object, as far as anybody decides by it. Pure. */
import type { MemberName } from '../../core/model/ids.ts';
import type { JobRecord, RawObject } from './job-record.ts';
import { sameJson } from './merge-patch.ts';

export interface JobDifference {
  /** It has another run, or none any more, or is over. */
  readonly moved: boolean;
  /** Its spec changed, or it is being deleted. */
  readonly edited: boolean;
  /** A cancel or an outcome became durable: members are to be told. */
  readonly answered: boolean;
}

export function differenceOf(before: JobRecord | undefined, now: JobRecord): JobDifference {
  if (before === undefined) return { moved: true, edited: true, answered: true };
  const fences = [before, now].map((record) => record.run?.terms.id.fence);
  const cancels = [before, now].map((record) => record.run?.cancel === undefined);
  return {
    moved: fences[0] !== fences[1] || before.finished !== now.finished,
    edited: before.generation !== now.generation || before.deleting !== now.deleting,
    answered: cancels[0] !== cancels[1] || !sameJson(before.status.history, now.status.history),
  };
}

/** Members that have, or had, its run. */
export function homesOf(before: JobRecord | undefined, now: JobRecord): ReadonlySet<MemberName> {
  const homes = [before, now].flatMap((record) => record?.run?.terms.member ?? []);
  return new Set(homes);
}

/** Nothing that anybody decides by has changed: only status, or bookkeeping in metadata. */
export function sameWord(a: RawObject | undefined, b: RawObject): boolean {
  return (
    a?.metadata.generation === b.metadata.generation &&
    a?.metadata.deletionTimestamp === b.metadata.deletionTimestamp &&
    JSON.stringify(a?.metadata.labels ?? {}) === JSON.stringify(b.metadata.labels ?? {})
  );
}

/** status.clusterUid of a MemberCluster, unread. */
export function clusterUidIn(object: RawObject | undefined): unknown {
  return (object?.status as { readonly clusterUid?: unknown } | undefined)?.clusterUid;
}
