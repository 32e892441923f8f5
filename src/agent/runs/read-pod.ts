/**
 * From a pod's status to the facts that judge a worker. Reads what the kubelet, the scheduler and the API server wrote.
 *
 * Decides: which container's exit speaks for the pod (the first that failed, else the GPU container); which waiting reasons
 * are pulls, errors or plain waiting; when deletion was asked for (deletionTimestamp less its grace). Leaves out judging.
 */
import type { Disruption, WorkerFacts, WorkerFault, WorkerState, WorkerWait } from '../../core/run/worker-verdict.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { ContainerStatus, GuestPod } from './guest-objects.ts';
import { INDEX_ANNOTATION } from './guest/rendezvous.ts';

export interface PodReading {
  readonly gpuContainer: string;
  readonly unreachableNodes: ReadonlySet<string>;
}

/** Undefined for a pod without a completion index: it is none of the Job's. */
export function readPod(pod: GuestPod, reading: PodReading): WorkerFacts | undefined {
  const index = indexOf(pod);
  const name = pod.metadata.name;
  if (index === undefined || name === undefined) return undefined;
  const state = stateOf(pod);
  const node = pod.spec?.nodeName;
  const asked = deletionAskedAtMs(pod);
  const disruption = disruptionOf(pod);
  return {
    index,
    pod: name,
    state,
    unreachable: node !== undefined && reading.unreachableNodes.has(node),
    ...(node === undefined ? {} : { node }),
    ...(asked === undefined ? {} : { deletionAskedAtMs: asked }),
    ...(disruption === undefined ? {} : { disruption }),
    ...timesOf(pod, reading.gpuContainer),
    ...endingOf(pod, state, reading.gpuContainer),
    ...waitOf(pod, state),
  };
}

/** Worker index of a pod, from the Job controller's annotation or label. */
export function indexOf(pod: GuestPod): number | undefined {
  const { annotations, labels } = pod.metadata;
  const text = annotations?.[INDEX_ANNOTATION] ?? labels?.[INDEX_ANNOTATION] ?? '';
  return /^[0-9]{1,6}$/.test(text) ? Number(text) : undefined;
}

function stateOf(pod: GuestPod): WorkerState {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Running') return phase;
  // `Unknown` is what a node controller once wrote of pods it could not see: it may well run.
  return phase === 'Unknown' ? 'Running' : 'Pending';
}

function deletionAskedAtMs(pod: GuestPod): number | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
  const due = parseTimestamp(deletionTimestamp);
  return due === undefined ? undefined : due - deletionGracePeriodSeconds * 1000;
}

const DISRUPTION_REASONS: Readonly<Record<string, Disruption>> = {
  PreemptionByScheduler: 'Preempted',
  EvictionByEvictionAPI: 'Evicted',
  DeletionByTaintManager: 'NodeLost',
  DeletionByPodGC: 'NodeLost',
  TerminationByKubelet: 'NodeLost',
};

function disruptionOf(pod: GuestPod): Disruption | undefined {
  const condition = pod.status?.conditions?.find((one) => one.type === 'DisruptionTarget' && one.status === 'True');
  return condition === undefined ? undefined : (DISRUPTION_REASONS[condition.reason ?? ''] ?? 'Deleted');
}

function statusesOf(pod: GuestPod): readonly ContainerStatus[] {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
}

function timesOf(pod: GuestPod, gpuContainer: string): Pick<WorkerFacts, 'startedAtMs' | 'finishedAtMs'> {
  const main = pod.status?.containerStatuses?.find((one) => one.name === gpuContainer)?.state;
  const startedAtMs = parseTimestamp(main?.running?.startedAt ?? main?.terminated?.startedAt);
  const finishedAtMs = finishedAt(pod);
  return {
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
  };
}

function finishedAt(pod: GuestPod): number | undefined {
  const phase = pod.status?.phase;
  if (phase !== 'Succeeded' && phase !== 'Failed') return undefined;
  const ends = statusesOf(pod).flatMap((one) => parseTimestamp(one.state?.terminated?.finishedAt) ?? []);
  return ends.length === 0 ? undefined : Math.max(...ends);
}

function endingOf(pod: GuestPod, state: WorkerState, gpuContainer: string): Pick<WorkerFacts, 'exit' | 'fault'> {
  if (state !== 'Succeeded' && state !== 'Failed') return {};
  const ended = statusesOf(pod).flatMap((one) =>
    one.state?.terminated === undefined ? [] : [{ name: one.name, ...one.state.terminated }],
  );
  const speaking =
    ended.find((one) => (one.exitCode ?? 0) !== 0) ?? ended.find((one) => one.name === gpuContainer) ?? ended[0];
  const exit =
    speaking?.exitCode === undefined
      ? {}
      : {
          exit: {
            exitCode: speaking.exitCode,
            reason: speaking.reason ?? (speaking.exitCode === 0 ? 'Completed' : 'Error'),
          },
        };
  if (state === 'Succeeded') return exit;
  const outOfMemory = ended.some((one) => one.reason === 'OOMKilled');
  return { ...exit, fault: faultOf(pod, outOfMemory, ended.length > 0) };
}

/** Kubelet reasons on the pod itself come before what its containers say. */
function faultOf(pod: GuestPod, outOfMemory: boolean, anyExit: boolean): WorkerFault {
  const reason = pod.status?.reason ?? '';
  if (reason === 'DeadlineExceeded') return 'Deadline';
  if (reason === 'Evicted') return 'OwnLimits';
  if (outOfMemory) return 'OutOfMemory';
  return reason !== '' && !anyExit ? 'KubeletRefused' : 'ExitCode';
}

const PULL_REASONS: readonly string[] = ['Pulling'];
const IMAGE_REASONS: readonly string[] = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
];
const CONFIG_REASONS: readonly string[] = ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'];

function waitOf(pod: GuestPod, state: WorkerState): Pick<WorkerFacts, 'wait'> {
  if (state !== 'Pending') return {};
  const waiting = statusesOf(pod).find((one) => one.state?.waiting !== undefined)?.state?.waiting;
  if (waiting !== undefined) return { wait: { kind: waitKind(waiting.reason ?? ''), message: sentence(waiting) } };
  const unscheduled = pod.status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  if (unscheduled === undefined) return {};
  return { wait: { kind: 'Unschedulable', message: sentence(unscheduled) } };
}

function waitKind(reason: string): WorkerWait['kind'] {
  if (IMAGE_REASONS.includes(reason)) return 'ImageError';
  if (CONFIG_REASONS.includes(reason)) return 'ConfigError';
  // While an image is pulled the kubelet says no more than that the container is being created.
  return PULL_REASONS.includes(reason) || reason === 'ContainerCreating' ? 'ImagePull' : 'Creating';
}

function sentence({ reason, message }: { readonly reason?: string; readonly message?: string }): string {
  const text = message === undefined || message === '' ? (reason ?? '') : `${reason ?? ''}: ${message}`;
  return text.length > 500 ? `${text.slice(0, 497)}...` : text;
}
