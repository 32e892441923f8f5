/**
 * One pod on its node, from acceptance to the end of its last process.
 *
 * Invariants: boards and address are held from acceptance until the last process has ended, and the object is removed only
 * after that; a pod once stopped never starts anything again; deadlines and grace run on the node's own clock, cut off or
 * not. Init containers run in order, sidecars before and longer than the rest. Leaves out probes and hooks: a container is
 * ready while it runs.
 */
import type { Timer } from '../../../platform/clock/clock.ts';
import type { Random } from '../../../platform/clock/random.ts';
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import { conditionOf, isTerminating, uidOf } from '../objects/pod.ts';
import type { Container, ContainerState, Pod, PodStatus } from '../objects/pod.ts';
import { ContainerKeeper } from './container-keeper.ts';
import type { KeeperTiming, RestartPolicy } from './container-keeper.ts';
import { PodHoldings } from './pod-holdings.ts';
import type { PodHoldingsDeps, Refused } from './pod-holdings.ts';
import { isSidecar, podStatus } from './pod-status.ts';
import { StatusReporter } from './status-reporter.ts';

export interface PodWorkerDeps extends PodHoldingsDeps {
  readonly random: Random;
  readonly logger: Logger;
  readonly timing: KeeperTiming;
  /** Nothing of the pod is left: neither process nor file nor object. */
  readonly onGone: (uid: string) => void;
}

interface Stop {
  readonly cause?: Refused;
  killAtMs: number;
}

export class PodWorker {
  private readonly deps: PodWorkerDeps;
  private readonly halt = new AbortController();
  /** Aborted once the object is gone or the sandbox stops: nothing is said to the server any more. */
  private readonly vanished = new AbortController();
  private readonly reporter: StatusReporter;
  private readonly init: readonly ContainerKeeper[];
  private readonly main: readonly ContainerKeeper[];
  private readonly startTime: string;
  private readonly startedMs: number;
  private readonly holdings: PodHoldings;
  private pod: Pod;
  private stopping: Stop | undefined;
  private killTimer: Timer | undefined;
  private deadlineTimer: Timer | undefined;
  private refused: Refused | undefined;
  private ended = false;
  private removed = false;
  private leaving: Promise<void> | undefined;
  private run: Promise<void> = Promise.resolve();

  constructor(pod: Pod, deps: PodWorkerDeps) {
    this.pod = pod;
    this.deps = deps;
    this.startedMs = deps.clock.monotonicMs();
    this.startTime = formatTimestamp(deps.clock.nowMs());
    this.holdings = new PodHoldings(() => this.pod, deps);
    this.init = (pod.spec.initContainers ?? []).map((spec) => this.keeperFor(spec));
    this.main = pod.spec.containers.map((spec) => this.keeperFor(spec));
    this.reporter = new StatusReporter({
      link: deps.link,
      clock: deps.clock,
      logger: deps.logger,
      retryMs: deps.timing.retryMs,
      pod: () => this.pod,
      build: (newest) => this.status(newest),
      written: (written) => {
        this.pod = written;
      },
    });
  }

  start(): void {
    this.run = this.live().catch(async (error: unknown) => {
      // Nothing below throws in the ordinary run of things; the pod must still let go of what it holds, in order.
      this.deps.logger.error('pod worker failed', { pod: this.pod.metadata.name, error: String(error) });
      this.refused = { reason: 'SandboxError', message: 'the sandbox failed to run this pod; see its log' };
      this.requestStop(0);
      await Promise.allSettled([...this.init, ...this.main].map((keeper) => keeper.settled()));
      await this.finish();
    });
    this.armDeadline();
  }

  /**
   * A version of the object: deletion and a moved deadline are acted on. Older ones are echoes of what was written, unless
   * the server's store was set back (`anew`).
   */
  update(pod: Pod, anew = false): void {
    if (!anew && Number(pod.metadata.resourceVersion) < Number(this.pod.metadata.resourceVersion)) return;
    this.pod = pod;
    this.armDeadline();
    if (isTerminating(pod)) this.requestStop(graceSecondsOf(pod) * 1000);
    if (this.isBehind(pod)) this.reporter.report();
    if (this.ended) this.leave();
  }

  /** The object is gone: whatever runs ends, then nothing of the pod is kept. */
  forget(): void {
    this.vanish();
    this.requestStop(Math.max(1, graceSecondsOf(this.pod)) * 1000);
    if (this.ended) this.leave();
  }

  /** The sandbox stops: everything ends now and no word of it reaches the API server. */
  async abandon(): Promise<void> {
    this.vanish();
    this.requestStop(0);
    await this.run;
    this.leave();
    await this.leaving;
  }

  private vanish(): void {
    this.vanished.abort();
    this.reporter.close();
  }

  keeper(container: string): ContainerKeeper | undefined {
    return [...this.main, ...this.init].find((keeper) => keeper.spec.name === container);
  }

  get current(): Pod {
    return this.pod;
  }

  /** Process groups of running containers. */
  pids(): readonly { readonly container: string; readonly pid: number }[] {
    return [...this.init, ...this.main].flatMap((keeper) =>
      keeper.pid === undefined ? [] : [{ container: keeper.spec.name, pid: keeper.pid }],
    );
  }

  /** Ends the pod: SIGTERM now, SIGKILL after `graceMs`; a later call can only shorten the grace. */
  requestStop(graceMs: number, cause?: Stop['cause']): void {
    const killAtMs = this.deps.clock.monotonicMs() + graceMs;
    if (this.stopping !== undefined && this.stopping.killAtMs <= killAtMs) return;
    const first = this.stopping === undefined;
    this.stopping = first ? { killAtMs, ...(cause === undefined ? {} : { cause }) } : { ...this.stopping, killAtMs };
    this.killTimer?.cancel();
    if (this.ended) return;
    if (graceMs <= 0) this.killAll();
    else {
      this.killTimer = this.deps.clock.after(graceMs, () => {
        this.killAll();
      });
    }
    if (!first) return;
    this.halt.abort();
    for (const keeper of [...this.main, ...this.init]) {
      if (!isSidecar(keeper.spec)) keeper.terminate();
    }
    if (!this.main.some((keeper) => keeper.running)) this.terminateSidecars();
  }

  private killAll(): void {
    for (const keeper of [...this.main, ...this.init]) keeper.kill();
  }

  private terminateSidecars(): void {
    for (const keeper of this.init) if (isSidecar(keeper.spec)) keeper.terminate();
  }

  private async live(): Promise<void> {
    if (this.accept()) {
      await this.prepareVolumes();
      for (const keeper of [...this.init, ...this.main]) if (!this.halted) keeper.setWaiting('PodInitializing');
      const sidecars: Promise<void>[] = [];
      if (await this.runInit(sidecars)) await this.runMain();
      await this.stopSidecars(sidecars);
    }
    await this.finish();
  }

  /** Asked anew each time: it changes while others are awaited. */
  private isGone(): boolean {
    return this.vanished.signal.aborted;
  }

  private get halted(): boolean {
    return this.halt.signal.aborted;
  }

  /** Boards and an address, or a refusal that fails the pod. */
  private accept(): boolean {
    if (wasRunning(this.pod)) {
      this.refused = {
        reason: 'SandboxRestarted',
        message: 'the containers were lost with an earlier life of the node',
      };
      return false;
    }
    this.refused = this.holdings.take();
    if (this.refused !== undefined) {
      this.deps.link.warn(this.pod, this.refused.reason, this.refused.message);
      return false;
    }
    this.announce();
    return true;
  }

  /** Ordinary init containers run to success one by one; sidecars are left running. True when the main ones may start. */
  private async runInit(sidecars: Promise<void>[]): Promise<boolean> {
    for (const keeper of this.init) {
      if (this.halted) return false;
      if (isSidecar(keeper.spec)) {
        const started = new Promise<void>((resolve) => {
          sidecars.push(keeper.keep('Always', this.halt.signal, resolve).finally(resolve));
        });
        await started;
        continue;
      }
      await keeper.keep(this.restartPolicy === 'Never' ? 'Never' : 'OnFailure', this.halt.signal);
      this.reporter.report();
      if (keeper.status.state.terminated?.exitCode !== 0) return false;
    }
    return !this.halted;
  }

  private async runMain(): Promise<void> {
    let left = this.main.length;
    const keep = async (keeper: ContainerKeeper): Promise<void> => {
      await keeper.keep(this.restartPolicy, this.halt.signal);
      left -= 1;
      // The end of the last one is the end of the pod, and told together with it.
      if (left > 0) this.reporter.report();
    };
    await Promise.all(this.main.map(keep));
  }

  private async stopSidecars(sidecars: readonly Promise<void>[]): Promise<void> {
    if (sidecars.length === 0) return;
    if (this.stopping === undefined) this.requestStop((this.pod.spec.terminationGracePeriodSeconds ?? 30) * 1000);
    this.terminateSidecars();
    await Promise.all(sidecars);
  }

  private get restartPolicy(): RestartPolicy {
    return this.pod.spec.restartPolicy ?? 'Always';
  }

  /** Tries until the volumes are there or the pod is stopped. */
  private async prepareVolumes(): Promise<void> {
    let reported = '';
    while (!this.halted) {
      const missing = await this.holdings.writeVolumes(this.halt.signal);
      if (missing === undefined) return;
      if (missing !== reported) this.deps.link.warn(this.pod, 'FailedMount', missing);
      reported = missing;
      for (const keeper of this.main) keeper.setWaiting('ContainerCreating');
      this.reporter.report();
      await this.deps.clock.sleep(this.deps.timing.retryMs, this.halt.signal);
    }
  }

  private keeperFor(spec: Container): ContainerKeeper {
    const { link } = this.deps;
    return new ContainerKeeper({
      ...this.deps,
      pod: this.pod,
      spec,
      plan: (signal) => this.holdings.planFor(spec, signal),
      openLog: (attempt) => this.holdings.openLog(spec.name, attempt),
      changed: () => {
        this.announce();
        this.reporter.report();
      },
      warn: (reason, message) => {
        link.warn(this.pod, reason, message);
      },
      note: (reason, message) => {
        link.note(this.pod, reason, message);
      },
    });
  }

  private announce(): void {
    this.holdings.announce(this.main.every((keeper) => keeper.status.ready));
  }

  private armDeadline(): void {
    this.deadlineTimer?.cancel();
    const seconds = this.pod.spec.activeDeadlineSeconds;
    if (seconds === undefined || this.ended) return;
    const leftMs = this.startedMs + seconds * 1000 - this.deps.clock.monotonicMs();
    this.deadlineTimer = this.deps.clock.after(Math.max(0, leftMs), () => {
      const message = 'Pod was active on the node longer than the specified deadline';
      const graceMs = (this.pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
      this.requestStop(graceMs, { reason: 'DeadlineExceeded', message });
    });
  }

  /** Nothing runs any more: gives back what was held, says so, and removes the object if that was asked for. */
  private async finish(): Promise<void> {
    this.killTimer?.cancel();
    this.deadlineTimer?.cancel();
    if (this.stopping !== undefined) for (const keeper of [...this.init, ...this.main]) keeper.markLost();
    this.ended = true;
    this.holdings.release();
    this.reporter.report();
    await this.reporter.settled();
    this.leave();
  }

  /** Once the processes have ended: removes the object if its deletion was asked for; the files go with the object. */
  private leave(): void {
    if (this.vanished.signal.aborted || this.reporter.gone) this.leaving ??= this.removeFiles();
    else if (isTerminating(this.pod)) {
      this.leaving ??= this.removeObject().finally(() => {
        this.leaving = undefined;
        if (this.vanished.signal.aborted) this.leave();
      });
    }
  }

  /** A finalizer may hold the object after this; the node is done with it all the same. */
  private async removeObject(): Promise<void> {
    const { link, clock, logger, timing } = this.deps;
    const { signal } = this.vanished;
    await this.reporter.settled();
    while (!this.removed && !this.isGone()) {
      try {
        await link.whenConnected(signal);
        if (this.isGone()) return;
        await link.removePod(this.pod);
        this.removed = true;
      } catch (error) {
        logger.warn('pod not removed, will retry', { pod: this.pod.metadata.name, error: String(error) });
        await clock.sleep(timing.retryMs, signal);
      }
    }
  }

  private async removeFiles(): Promise<void> {
    try {
      await this.holdings.removeFiles();
    } catch (error) {
      // A process that left its group may still write there; the folder is looked at again when the sandbox stops.
      this.deps.logger.warn('pod folder not removed', { pod: this.pod.metadata.name, error: String(error) });
    }
    this.deps.onGone(uidOf(this.pod));
  }

  private status(newest: Pod): PodStatus {
    const cause = this.refused ?? this.stopping?.cause;
    return podStatus({
      pod: newest,
      containers: this.main.map((keeper) => keeper.status),
      initContainers: this.init.map((keeper) => keeper.status),
      hostIp: this.deps.hostIp,
      podIp: this.holdings.podIp,
      startTime: newest.status?.startTime ?? this.startTime,
      now: formatTimestamp(this.deps.clock.nowMs()),
      ended: this.ended,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  /** The server's copy lacks what this node knows, as after its store was set back. */
  private isBehind(pod: Pod): boolean {
    if (pod.status?.startTime === undefined) return false;
    const seen = (pod.status.containerStatuses ?? []).map((status) => stateKey(status.state)).join();
    return seen !== this.main.map((keeper) => stateKey(keeper.status.state)).join();
  }
}

/** What tells two states of a container apart, whatever the order of their fields. */
function stateKey({ waiting, running, terminated }: ContainerState): string {
  if (waiting !== undefined) return `waiting ${waiting.reason}`;
  if (running !== undefined) return `running ${running.startedAt}`;
  return `terminated ${terminated?.exitCode} ${terminated?.finishedAt}`;
}

function graceSecondsOf(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}

/** Containers of it have run already, though this node does not know them. */
function wasRunning(pod: Pod): boolean {
  return (
    conditionOf(pod, 'PodReadyToStartContainers')?.status === 'True' ||
    (pod.status?.containerStatuses ?? []).some((status) => status.containerID !== undefined)
  );
}
