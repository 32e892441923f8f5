/**
 * The status of a pod as its node reports it: phase and conditions from the states of its containers.
 *
 * Invariants: pure; conditions of others (PodScheduled, DisruptionTarget, readiness gates) are kept as they are; a
 * condition's transition time moves only when its status does; Succeeded and Failed only when nothing runs any more.
 */
import type { Container, ContainerStatus, Pod, PodCondition, PodPhase, PodStatus } from '../objects/pod.ts';

export interface PodFacts {
  /** The pod as last read: its spec and the conditions of others. */
  readonly pod: Pod;
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
  readonly hostIp: string;
  /** Undefined before an address was given. */
  readonly podIp: string | undefined;
  /** RFC 3339: when the node accepted the pod. */
  readonly startTime: string;
  /** RFC 3339. */
  readonly now: string;
  /** Set once the node is done with the pod: nothing runs and nothing will. */
  readonly ended: boolean;
  /** Why the node ended or refused it, e.g. DeadlineExceeded. */
  readonly cause?: { readonly reason: string; readonly message: string };
}

export function podStatus(facts: PodFacts): PodStatus {
  const { pod, containers, initContainers } = facts;
  const phase = podPhase(facts);
  const { reason: _reason, message: _message, ...kept } = pod.status ?? {};
  const specs = pod.spec.initContainers ?? [];
  return {
    ...kept,
    phase,
    ...facts.cause,
    conditions: mergeConditions(pod.status?.conditions ?? [], ownConditions(facts, phase), facts.now),
    hostIP: facts.hostIp,
    hostIPs: [{ ip: facts.hostIp }],
    ...(facts.podIp === undefined ? {} : { podIP: facts.podIp, podIPs: [{ ip: facts.podIp }] }),
    startTime: facts.startTime,
    ...(specs.length === 0 ? {} : { initContainerStatuses: initContainers }),
    containerStatuses: containers,
  };
}

export function podPhase(facts: Pick<PodFacts, 'pod' | 'containers' | 'initContainers' | 'ended' | 'cause'>): PodPhase {
  const { pod, containers } = facts;
  const ended = containers.filter((status) => status.state.terminated !== undefined);
  const good = ended.filter((status) => status.state.terminated?.exitCode === 0).length;
  if (facts.ended) return facts.cause === undefined && good === containers.length ? 'Succeeded' : 'Failed';
  if (incompleteInit(pod, facts.initContainers).length > 0) return 'Pending';
  const never = containers.filter(
    (status) => status.state.waiting !== undefined && status.lastState.terminated === undefined,
  );
  if (never.length > 0) return 'Pending';
  return 'Running';
}

/** Names of ordinary init containers that have not ended well, and of sidecars that never started. */
function incompleteInit(pod: Pod, statuses: readonly ContainerStatus[]): readonly string[] {
  const out: string[] = [];
  for (const container of pod.spec.initContainers ?? []) {
    const status = statuses.find((other) => other.name === container.name);
    const done = isSidecar(container) ? status?.started === true : status?.state.terminated?.exitCode === 0;
    if (!done) out.push(container.name);
  }
  return out;
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

type Judgement = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

function ownConditions(facts: PodFacts, phase: PodPhase): readonly Judgement[] {
  const over = phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : undefined;
  const initial = incompleteInit(facts.pod, facts.initContainers);
  const unready = facts.containers.filter((status) => !status.ready).map((status) => status.name);
  const running = facts.containers.some((status) => status.state.running !== undefined);
  const readiness =
    over !== undefined
      ? { reason: over }
      : unready.length > 0
        ? { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
        : undefined;
  const initialized: Judgement =
    initial.length === 0 || phase === 'Succeeded'
      ? { type: 'Initialized', status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) }
      : {
          type: 'Initialized',
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${initial.join(' ')}]`,
        };
  const ready = readiness === undefined ? { status: 'True' as const } : { status: 'False' as const, ...readiness };
  return [
    {
      type: 'PodReadyToStartContainers',
      status: running || (facts.podIp !== undefined && over === undefined) ? 'True' : 'False',
    },
    initialized,
    { type: 'Ready', ...ready },
    { type: 'ContainersReady', ...ready },
  ];
}

function mergeConditions(
  old: readonly PodCondition[],
  own: readonly Judgement[],
  now: string,
): readonly PodCondition[] {
  const mine = own.map((judgement): PodCondition => {
    const before = old.find((other) => other.type === judgement.type);
    const since = before?.status === judgement.status ? (before.lastTransitionTime ?? now) : now;
    return { ...judgement, lastProbeTime: null, lastTransitionTime: since };
  });
  const others = old.filter((condition) => !own.some((judgement) => judgement.type === condition.type));
  return [...mine, ...others];
}
