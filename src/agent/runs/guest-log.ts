/**
 * Opens the log of one worker, or says why not. The owner's word comes first; then whether such a run, worker and container
 * are or were here.
 *
 * Invariants: at most `MOST_SESSIONS` streams are open at once, and a stream that ends or is left gives its place back.
 * Leaves out windows and audit, which are the session's.
 */
import { runKey } from '../../core/model/ids.ts';
import type { RememberedFence } from '../../core/run/agent-plan.ts';
import type { KubeClient, LogOptions } from '../../platform/kube/kube-client.ts';
import { isKubeError, isNotFound } from '../../platform/kube/kube-error.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type { LogRefusalReason, LogRequest } from '../../wire/session-messages.ts';
import type { LendingReader } from '../lending/lending-reader.ts';
import type { ContainerStatus, GuestPod } from './guest-objects.ts';
import { indexOf } from './read-pod.ts';
import type { TrackedRun } from './tracked-run.ts';

export const MOST_SESSIONS = 16;

export interface LogRefused {
  readonly reason: LogRefusalReason;
  readonly message: string;
}

export interface GuestLogDeps {
  readonly client: KubeClient;
  readonly lending: LendingReader;
  readonly run: (key: string) => TrackedRun | undefined;
  readonly podsOf: (key: string) => readonly GuestPod[];
  readonly remembered: (request: LogRequest) => RememberedFence | undefined;
}

type Opened = Result<AsyncIterable<Uint8Array>, LogRefused>;

export class GuestLogs {
  private readonly deps: GuestLogDeps;
  private open = 0;

  constructor(deps: GuestLogDeps) {
    this.deps = deps;
  }

  async openLog(request: LogRequest, signal: AbortSignal): Promise<Opened> {
    if (this.deps.lending.guestRules()?.logsAllowed !== true) {
      return refused('ForbiddenByOwner', 'the owner of this cluster does not let logs out');
    }
    const found = this.find(request);
    if (!found.ok) return found;
    if (this.open >= MOST_SESSIONS) {
      return refused('TooManySessions', `${MOST_SESSIONS} logs of this member are being read; try again later`);
    }
    this.open += 1;
    try {
      const { namespace, pod, container } = found.value;
      const stream = await this.deps.client.logs({ namespace, pod }, { ...optionsOf(request), container, signal });
      return ok(this.counted(stream));
    } catch (error) {
      this.open -= 1;
      if (isNotFound(error)) return expired();
      if (isKubeError(error) && error.status === 400) return refused('NotStarted', 'the container has no log yet');
      throw error;
    }
  }

  private find(request: LogRequest): Result<Target, LogRefused> {
    const key = runKey(request.run);
    const run = this.deps.run(key);
    if (run === undefined) {
      const known = this.deps.remembered(request);
      const wasHere = known?.kind === 'started' && known.fence >= request.run.fence;
      return wasHere ? expired() : refused('NotFound', 'no such run was ever started here');
    }
    const { workers } = run.order;
    if (request.worker >= workers) {
      return refused('NotFound', `worker ${request.worker} does not exist; the run has ${workers}, counted from 0`);
    }
    const pod = newest(this.deps.podsOf(key).filter((one) => indexOf(one) === request.worker));
    if (pod === undefined) {
      return run.ended === undefined ? refused('NotStarted', `worker ${request.worker} has no pod yet`) : expired();
    }
    return containerOf(pod, request.container === '' ? run.order.gpuContainer : request.container, run.namespace);
  }

  /** Gives the place back exactly once, however the reader leaves. */
  private counted(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    let counted = true;
    const release = (): void => {
      if (counted) this.open -= 1;
      counted = false;
    };
    return {
      [Symbol.asyncIterator]: () => {
        const source = stream[Symbol.asyncIterator]();
        return {
          next: async () => {
            try {
              const step = await source.next();
              if (step.done === true) release();
              return step;
            } catch (error) {
              release();
              throw error;
            }
          },
          return: async () => {
            release();
            await source.return?.();
            return { done: true as const, value: undefined };
          },
        };
      },
    };
  }
}

interface Target {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

function containerOf(pod: GuestPod, container: string, namespace: string): Result<Target, LogRefused> {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const status = statuses.find((one) => one.name === container);
  if (status === undefined) {
    if (statuses.length === 0) return refused('NotStarted', 'the pod has not started yet');
    const names = statuses.map((one) => one.name ?? '').join(', ');
    return refused('NotFound', `there is no container "${container}"; the pod has: ${names}`);
  }
  if (!hasRun(status)) {
    return refused('NotStarted', `container ${container} waits: ${status.state?.waiting?.reason ?? 'not started yet'}`);
  }
  return ok({ namespace, pod: pod.metadata.name ?? '', container });
}

function hasRun({ state, lastState }: ContainerStatus): boolean {
  return state?.running !== undefined || state?.terminated !== undefined || lastState?.terminated !== undefined;
}

function newest(pods: readonly GuestPod[]): GuestPod | undefined {
  const age = (pod: GuestPod): string => pod.metadata.creationTimestamp ?? '';
  return [...pods].sort((a, b) => (age(a) < age(b) ? 1 : -1))[0];
}

function optionsOf(request: LogRequest): LogOptions {
  return {
    follow: request.follow,
    timestamps: request.timestamps,
    ...(request.tailLines === undefined ? {} : { tailLines: request.tailLines }),
    ...(request.sinceSeconds === undefined ? {} : { sinceSeconds: request.sinceSeconds }),
  };
}

function expired(): Result<never, LogRefused> {
  return refused('Expired', 'the pod is gone: logs are kept for as long as the owner keeps finished pods');
}

function refused(reason: LogRefusalReason, message: string): Result<never, LogRefused> {
  return err({ reason, message });
}
