/**
 * The agent of one node: gives each pod that is bound to it a worker, and answers for their logs.
 *
 * Invariants: a pod is started at most once in the life of a kubelet; while cut off it hears and says nothing and its
 * processes go on; on return it looks at everything anew. Leaves out being told about pods: the cluster shares one watch.
 */
import { isFinished, isTerminating, uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import type { ApiLink } from './api-link.ts';
import { PodWorker } from './pod-worker.ts';
import type { PodWorkerDeps } from './pod-worker.ts';

export interface KubeletDeps extends Omit<PodWorkerDeps, 'link' | 'onGone'> {
  readonly link: ApiLink;
  /** Pods bound to this node, as last seen. */
  readonly bound: () => Iterable<Pod>;
}

export interface RunningProcess {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  readonly pid: number;
}

export class Kubelet {
  private readonly deps: KubeletDeps;
  private readonly workers = new Map<string, PodWorker>();
  /** Pods that this kubelet is done with; the object may still be there for others' sake. */
  private readonly done = new Set<string>();
  private stopped = false;

  constructor(deps: KubeletDeps) {
    this.deps = deps;
  }

  get connected(): boolean {
    return this.deps.link.connected;
  }

  /** A pod that is bound to this node was seen; `anew` when the server's store was set back. */
  observe(pod: Pod, anew = false): void {
    if (this.connected && !this.stopped) this.take(pod, anew);
  }

  /** A pod's object is gone. */
  forget(uid: string): void {
    if (!this.connected || this.stopped) return;
    this.workers.get(uid)?.forget();
    this.done.delete(uid);
  }

  /** Cuts the node off, or lets it come back; coming back it catches up with all that happened. */
  setConnected(connected: boolean): void {
    if (connected === this.connected) return;
    this.deps.link.setConnected(connected);
    if (connected) this.resync();
  }

  /** Looks at every pod of the node as if for the first time. */
  private resync(): void {
    if (!this.connected || this.stopped) return;
    const present = new Set<string>();
    for (const pod of this.deps.bound()) {
      present.add(uidOf(pod));
      this.take(pod, true);
    }
    for (const [uid, worker] of this.workers) if (!present.has(uid)) worker.forget();
  }

  /** The worker of a pod, for its logs. */
  worker(uid: string): PodWorker | undefined {
    return this.workers.get(uid);
  }

  processes(): readonly RunningProcess[] {
    return [...this.workers.values()].flatMap((worker) =>
      worker.pids().map(({ container, pid }) => ({
        namespace: worker.current.metadata.namespace ?? '',
        pod: worker.current.metadata.name ?? '',
        podUid: uidOf(worker.current),
        container,
        pid,
      })),
    );
  }

  /** Boards and the pods that hold them. */
  heldBoards(): ReadonlyMap<string, string> {
    return this.deps.devices.held();
  }

  /** Kills everything and removes what it made. Nothing of it is reported. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all([...this.workers.values()].map((worker) => worker.abandon()));
  }

  private take(pod: Pod, anew: boolean): void {
    const uid = uidOf(pod);
    const known = this.workers.get(uid);
    if (known !== undefined) {
      known.update(pod, anew);
      return;
    }
    if (this.done.has(uid)) return;
    if (isFinished(pod)) {
      this.bury(pod);
      return;
    }
    const worker = new PodWorker(pod, {
      ...this.deps,
      onGone: (goneUid) => {
        this.workers.delete(goneUid);
      },
    });
    this.workers.set(uid, worker);
    worker.start();
    if (isTerminating(pod)) worker.update(pod, true);
  }

  /** A finished pod of an earlier life: if it is to go, nobody else would remove it. */
  private bury(pod: Pod): void {
    if (!isTerminating(pod)) return;
    this.done.add(uidOf(pod));
    this.deps.link.removePod(pod).catch((error: unknown) => {
      this.done.delete(uidOf(pod));
      this.deps.logger.warn('finished pod not removed', { pod: pod.metadata.name, error: String(error) });
    });
  }
}
