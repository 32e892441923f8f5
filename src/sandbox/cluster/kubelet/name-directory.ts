/**
 * The pods of a cluster that have an address, by their DNS names (rendezvous-names.ts says why this exists).
 *
 * Invariants: one per cluster, shared by its kubelets; a pod is listed from when it has an address until its processes have
 * ended; waiting ends at the first answer, at the abort, or after `limitMs`, when the name is left as it is and the process
 * finds out by itself, as it would with DNS.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import { answerName, parsePodDnsName } from './rendezvous-names.ts';
import type { NamedPod, Service } from './rendezvous-names.ts';

export interface ListedPod extends NamedPod {
  readonly uid: string;
  readonly namespace: string;
}

export interface NameDirectoryDeps {
  readonly clock: Clock;
  readonly service: (namespace: string, name: string) => Service | undefined;
  /** Default 2 min. */
  readonly limitMs?: number;
}

export class NameDirectory {
  private readonly deps: NameDirectoryDeps;
  private readonly byNamespace = new Map<string, Map<string, ListedPod>>();
  private readonly waiting = new Set<() => void>();

  constructor(deps: NameDirectoryDeps) {
    this.deps = deps;
  }

  /** Lists or updates a pod. */
  put(pod: ListedPod): void {
    let pods = this.byNamespace.get(pod.namespace);
    if (pods === undefined) {
      pods = new Map();
      this.byNamespace.set(pod.namespace, pods);
    }
    pods.set(pod.uid, pod);
    this.look();
  }

  remove(namespace: string, uid: string): void {
    this.byNamespace.get(namespace)?.delete(uid);
  }

  /** Something that answers depend on changed, e.g. a Service. */
  look(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** The text, or the address behind it when it is the name of a headless Service's pod. */
  async resolve(text: string, ownNamespace: string, signal: AbortSignal): Promise<string> {
    const name = parsePodDnsName(text, ownNamespace);
    if (name === undefined) return text;
    const untilMs = this.deps.clock.monotonicMs() + (this.deps.limitMs ?? 120_000);
    for (;;) {
      const service = this.deps.service(name.namespace, name.service);
      const answer = answerName(name, service, this.byNamespace.get(name.namespace)?.values() ?? []);
      if (answer.kind === 'Address') return answer.ip;
      const leftMs = untilMs - this.deps.clock.monotonicMs();
      if (answer.kind === 'NotOurs' || signal.aborted || leftMs <= 0) return text;
      await this.nextChange(leftMs, signal);
    }
  }

  private nextChange(limitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.deps.clock.after(limitMs, done);
      this.waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
