/**
 * One ComputeJob as hub state holds it: the newest object, decoded once per generation, and the run that its status shows.
 *
 * Invariants: a record is a value, made anew from an object alone, so that a restarted hub sees the same; an object that
 * cannot be decoded still gives its run if the status can be read, so that a live run is never lost from sight; a status
 * that cannot be read blocks the job, because nothing may be placed over a fence that nobody knows.
 */
import { decodeComputeJob, type ComputeJob } from '../../api/v1alpha1/compute-job.ts';
import { computeJobStatus, type ComputeJobStatus } from '../../api/v1alpha1/compute-job-status.ts';
import { problemsOf, type FieldProblem } from '../../api/schema/kind.ts';
import { fence, jobUid, type Fence, type JobKey, type JobUid } from '../../core/model/ids.ts';
import type { JobSpec } from '../../core/model/job.ts';
import type { HubRun } from '../../core/run/hub-run.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { compileJob } from './job-spec-of.ts';
import { runOfStatus } from './run-in-status.ts';
import { templateHash } from './template-hash.ts';

/** A raw object of the API server. Only decoders look inside spec and status. */
export interface RawObject extends KubeObject {
  readonly spec?: unknown;
  readonly status?: unknown;
}

export type JobReading =
  | {
      readonly kind: 'valid';
      readonly job: ComputeJob;
      readonly spec: JobSpec;
      readonly gpuContainer: string;
      readonly templateHash: string;
    }
  | { readonly kind: 'invalid'; readonly problems: readonly FieldProblem[] };

export interface JobRecord {
  readonly uid: JobUid;
  readonly key: JobKey;
  readonly object: RawObject;
  readonly generation: number;
  readonly reading: JobReading;
  readonly status: ComputeJobStatus;
  /** The status is no ComputeJobStatus: nobody knows its fences, so that neither placing nor letting go is allowed. */
  readonly unreadable: boolean;
  readonly run: HubRun | undefined;
  readonly highestFence: Fence | undefined;
  /** deletionTimestamp is set. */
  readonly deleting: boolean;
  /** Succeeded or failed for good. */
  readonly finished: boolean;
  readonly createdAtMs: number;
}

/** A newer reading of the job. What depends on the spec alone is taken from `previous` while the generation is the same. */
export function readJob(object: RawObject, previous?: JobRecord): JobRecord {
  const { metadata } = object;
  const { uid, key } = identityOf(metadata);
  const generation = metadata.generation ?? 0;
  const status = readStatus(object.status);
  const known =
    previous?.uid === uid && previous.generation === generation && !previous.unreadable ? previous.reading : undefined;
  const reading = status.problems.length > 0 ? invalid(status.problems) : (known ?? readSpec(object));
  const highest = status.value.highestFence ?? 0;
  return {
    uid,
    key,
    object,
    generation,
    reading,
    status: status.value,
    unreadable: status.problems.length > 0,
    run: runOfStatus({ uid, key }, status.value),
    highestFence: highest > 0 ? fence(highest) : undefined,
    deleting: metadata.deletionTimestamp !== undefined,
    finished: status.value.completionTime !== undefined,
    createdAtMs: parseTimestamp(metadata.creationTimestamp) ?? 0,
  };
}

/** What the API server always gives. */
function identityOf({ uid = '', namespace = '', name = '' }: RawObject['metadata']): {
  readonly uid: JobUid;
  readonly key: JobKey;
} {
  return { uid: jobUid(uid), key: { namespace, name } };
}

function readSpec(object: RawObject): JobReading {
  // The status is read on its own: an object whose status changed is not decoded from the start.
  const decoded = decodeComputeJob({ ...object, status: undefined });
  if (!decoded.ok) return invalid(decoded.error);
  const compiled = compileJob(decoded.value);
  if (!compiled.ok) return invalid(compiled.error);
  return {
    kind: 'valid',
    job: decoded.value,
    ...compiled.value,
    templateHash: templateHash(decoded.value.spec.template),
  };
}

function invalid(problems: readonly FieldProblem[]): JobReading {
  return { kind: 'invalid', problems };
}

interface StatusReading {
  readonly value: ComputeJobStatus;
  readonly problems: readonly FieldProblem[];
}

function readStatus(raw: unknown): StatusReading {
  if (raw === undefined) return { value: {}, problems: [] };
  const parsed = computeJobStatus.safeParse(raw, { reportInput: true });
  if (parsed.success) return { value: parsed.data, problems: [] };
  const problems = problemsOf(parsed.error).map((one) => ({
    ...one,
    path: one.path === '' ? 'status' : `status.${one.path}`,
  }));
  return { value: {}, problems };
}
