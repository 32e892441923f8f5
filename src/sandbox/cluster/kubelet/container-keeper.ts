/**
 * Keeps one container of a pod: prepares it, runs it, restarts it as the policy says, and remembers its state and logs.
 *
 * Invariants: at most one attempt runs at a time; an attempt counts as ended only when nothing of it is left; after a halt
 * no new attempt begins. Waits (missing references, failed pulls, crash back-off) end at the halt.
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../platform/clock/clock.ts';
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import type { Random } from '../../../platform/clock/random.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import type { Container, ContainerState, ContainerStatus, Pod } from '../objects/pod.ts';
import { pullProblem } from './container-launch.ts';
import type { LaunchPlan } from './container-launch.ts';
import type { ContainerLog } from './container-log.ts';
import type { ContainerHandle, ContainerRuntime } from './container-runtime.ts';
import { readLog } from './log-reader.ts';

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export interface KeeperTiming {
  /** Between tries of something that may come: a Secret, a pull. */
  readonly retryMs: number;
  /** First delay before a restart; doubles. */
  readonly restartBackoffMs: number;
  readonly longestBackoffMs: number;
}

export interface KeeperDeps {
  readonly pod: Pod;
  readonly spec: Container;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly runtime: ContainerRuntime;
  readonly timing: KeeperTiming;
  readonly plan: (signal: AbortSignal) => Promise<LaunchPlan>;
  /** A log for the attempt; undefined where the runtime keeps none. */
  readonly openLog: (attempt: number) => ContainerLog | undefined;
  /** Something that the status shows has changed. */
  readonly changed: () => void;
  readonly warn: (reason: string, message: string) => void;
  readonly note: (reason: string, message: string) => void;
}

/** Ran this long: the next crash starts the back-off anew. */
const steadyMs = 600_000;

export class ContainerKeeper {
  readonly spec: Container;
  private readonly deps: KeeperDeps;
  private state: ContainerState = { waiting: { reason: 'PodInitializing' } };
  private lastState: ContainerState = {};
  private restartCount = 0;
  private containerId: string | undefined;
  private handle: ContainerHandle | undefined;
  private log: ContainerLog | undefined;
  private previousLog: ContainerLog | undefined;
  private crashes = 0;
  private killed = false;
  private work: Promise<void> = Promise.resolve();

  constructor(deps: KeeperDeps) {
    this.deps = deps;
    this.spec = deps.spec;
  }

  get status(): ContainerStatus {
    const running = this.state.running !== undefined;
    return {
      name: this.spec.name,
      image: this.spec.image ?? '',
      imageID: this.containerId === undefined ? '' : `sandbox://${this.spec.image ?? ''}`,
      ready: running || (this.isInit && this.state.terminated?.exitCode === 0),
      started: running,
      restartCount: this.restartCount,
      state: this.state,
      lastState: this.lastState,
      ...(this.containerId === undefined ? {} : { containerID: this.containerId }),
    };
  }

  get running(): boolean {
    return this.handle !== undefined;
  }

  get pid(): number | undefined {
    return this.handle?.pid;
  }

  /** Of the newest attempt or, with `previous`, of the one that ended before what the status shows now. */
  logOf(previous: boolean): ContainerLog | undefined {
    if (!previous) return this.log;
    return this.state.waiting === undefined ? this.previousLog : this.log;
  }

  /** Says why nothing runs yet, e.g. ContainerCreating. */
  setWaiting(reason: string, message?: string): void {
    const waiting = message === undefined ? { reason } : { reason, message };
    const { waiting: old } = this.state;
    if (old?.reason === reason && old.message === message) return;
    this.state = { waiting };
    this.deps.changed();
  }

  /** The pod ended before this container could: says so as the kubelet does. */
  markLost(): void {
    if (this.state.terminated !== undefined) return;
    const message = 'The container could not be located when the pod was terminated';
    this.state = { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message } };
  }

  terminate(): void {
    this.handle?.terminate();
  }

  /** Also what is just being launched, and whatever would be. */
  kill(): void {
    this.killed = true;
    this.handle?.kill();
  }

  /**
   * Runs attempts until the policy wants no more or the halt. `started` is called when the first one runs. The last end is
   * not announced through `changed`: the caller knows whether it is the end of the whole pod, and then says both at once.
   */
  keep(policy: RestartPolicy, halt: AbortSignal, started?: () => void): Promise<void> {
    this.work = this.keepGoing(policy, halt, started);
    return this.work;
  }

  /** Resolves or rejects with what `keep` gave last. */
  settled(): Promise<void> {
    return this.work;
  }

  private async keepGoing(policy: RestartPolicy, halt: AbortSignal, started?: () => void): Promise<void> {
    while (!isAborted(halt)) {
      const beganMs = this.deps.clock.monotonicMs();
      const exitCode = await this.attempt(halt, started);
      if (exitCode === undefined || isAborted(halt)) return;
      if (policy === 'Never' || (policy === 'OnFailure' && exitCode === 0)) return;
      if (this.deps.clock.monotonicMs() - beganMs >= steadyMs) this.crashes = 0;
      await this.backOff(halt);
      if (isAborted(halt)) return;
      this.restartCount += 1;
    }
  }

  private get isInit(): boolean {
    return this.deps.pod.spec.initContainers?.includes(this.spec) === true;
  }

  private async backOff(halt: AbortSignal): Promise<void> {
    const { restartBackoffMs, longestBackoffMs } = this.deps.timing;
    const delayMs = Math.min(longestBackoffMs, restartBackoffMs * 2 ** this.crashes);
    this.crashes += 1;
    const { metadata } = this.deps.pod;
    const message =
      `back-off ${Math.round(delayMs / 1000)}s restarting failed container=${this.spec.name} ` +
      `pod=${metadata.name ?? ''}_${metadata.namespace ?? ''}(${metadata.uid ?? ''})`;
    this.lastState = this.state;
    this.state = { waiting: { reason: 'CrashLoopBackOff', message } };
    this.deps.changed();
    this.deps.warn('BackOff', `Back-off restarting failed container ${this.spec.name} in pod ${metadata.name ?? ''}`);
    await this.deps.clock.sleep(delayMs, halt);
    // Halted while waiting: the last thing that ran is what the container ended with.
    if (isAborted(halt)) this.state = this.lastState;
  }

  /** Undefined when halted before anything ran. */
  private async attempt(halt: AbortSignal, started?: () => void): Promise<number | undefined> {
    await this.pullImage(halt);
    const plan = await this.prepare(halt);
    if (plan === undefined || isAborted(halt)) return undefined;
    this.previousLog = this.log ?? this.previousLog;
    const log = this.deps.openLog(this.restartCount);
    this.log = log;
    const outcome = await this.deps.runtime.launch({
      pod: this.deps.pod,
      containerName: this.spec.name,
      argv: plan.argv,
      env: plan.env,
      workingDir: plan.workingDir,
      onOutput: (stream, chunk) => log?.write(stream, chunk) ?? Promise.resolve(),
    });
    this.containerId = `sandbox://${Buffer.from(this.deps.random.bytes(16)).toString('hex')}`;
    const startedAt = formatTimestamp(this.deps.clock.nowMs());
    if (outcome.kind === 'Failed') {
      await this.closeLog();
      const { message } = outcome;
      this.deps.warn('Failed', `Error: ${message}`);
      this.end({ exitCode: 128, reason: 'StartError', message, startedAt });
      return 128;
    }
    this.handle = outcome.handle;
    this.state = { running: { startedAt } };
    started?.();
    this.deps.changed();
    this.deps.note('Started', `Container started: ${this.spec.name}`);
    // The halt may have come while the launch was on its way, when there was nothing to signal yet.
    if (isAborted(halt)) outcome.handle.terminate();
    if (this.killed) outcome.handle.kill();
    const { exitCode } = await outcome.handle.exited;
    this.handle = undefined;
    await this.closeLog();
    const message = await this.terminationMessage(plan.terminationMessagePath, exitCode);
    this.end({ exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt, ...message });
    return exitCode;
  }

  private end(terminated: NonNullable<ContainerState['terminated']>): void {
    const containerID = this.containerId;
    const finishedAt = formatTimestamp(this.deps.clock.nowMs());
    this.state = { terminated: { ...terminated, finishedAt, ...(containerID === undefined ? {} : { containerID }) } };
  }

  /** An image that cannot be pulled keeps the container waiting for ever, as on a real node. */
  private async pullImage(halt: AbortSignal): Promise<void> {
    const image = this.spec.image ?? '';
    const problem = pullProblem(image);
    if (problem === undefined) return;
    this.setWaiting('ErrImagePull', problem);
    this.deps.warn('Failed', `Failed to pull image ${JSON.stringify(image)}: ${problem}`);
    await this.deps.clock.sleep(this.deps.timing.retryMs, halt);
    if (isAborted(halt)) return;
    this.setWaiting('ImagePullBackOff', `Back-off pulling image ${JSON.stringify(image)}: ErrImagePull: ${problem}`);
    await aborted(halt);
  }

  private async prepare(halt: AbortSignal): Promise<Extract<LaunchPlan, { kind: 'Ready' }> | undefined> {
    while (!isAborted(halt)) {
      const plan = await this.planOnce(halt);
      if (plan.kind === 'Ready') return plan;
      this.setWaiting(plan.reason, plan.message);
      this.deps.warn('Failed', `Error: ${plan.message}`);
      await this.deps.clock.sleep(this.deps.timing.retryMs, halt);
    }
    return undefined;
  }

  private async planOnce(halt: AbortSignal): Promise<LaunchPlan> {
    try {
      return await this.deps.plan(halt);
    } catch (error) {
      // The API server did not answer, or the disk refused: both may pass.
      return { kind: 'NotYet', reason: 'CreateContainerError', message: String(error) };
    }
  }

  /** A disk that is full must not keep the container from ending. */
  private async closeLog(): Promise<void> {
    try {
      await this.log?.close();
    } catch (error) {
      this.deps.logger.warn('container log incomplete', { container: this.spec.name, error: String(error) });
    }
  }

  private async terminationMessage(path: string | undefined, exitCode: number): Promise<{ readonly message?: string }> {
    if (path === undefined) return {};
    let text: string;
    try {
      text = (await readFile(path, 'utf8')).slice(0, 4096);
    } catch {
      // The process removed or replaced the file: then it has left no message.
      text = '';
    }
    if (text === '' && exitCode !== 0 && this.spec.terminationMessagePolicy === 'FallbackToLogsOnError') {
      text = await this.lastLines();
    }
    return text === '' ? {} : { message: text };
  }

  /** The end of the log: at most 80 lines and 2,048 bytes, as the kubelet cuts it. */
  private async lastLines(): Promise<string> {
    if (this.log === undefined) return '';
    const parts: Uint8Array[] = [];
    for await (const part of readLog(this.log, { tailLines: 80 })) parts.push(part);
    return Buffer.concat(parts).subarray(-2048).toString('utf8');
  }
}

/** Asked anew each time: it changes while others are awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
