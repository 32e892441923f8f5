/**
 * Containers as local processes. This isolates nothing: no file system, network, user or memory limit of their own.
 *
 * Each container is a process in a new session and group, so that signals reach all that it started; when its first process
 * ends, the rest of the group is killed, as the kernel does in a PID namespace. Invariants: `exited` resolves only when the
 * group is gone; nothing is inherited from the sandbox but what the launch names. A process that leaves its group on
 * purpose (setsid) is found by the mark in its environment when the runtime stops, not before.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { kill } from 'node:process';
import type { Readable } from 'node:stream';
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import type {
  ContainerExit,
  ContainerHandle,
  ContainerLaunch,
  ContainerRuntime,
  LaunchOutcome,
} from './container-runtime.ts';
import { OrphanWatchdog } from './orphan-watchdog.ts';
import { groupIsAlive, signalGroup } from './process-groups.ts';

export interface ProcessRuntimeDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Marks every process of this runtime, unique on the machine. */
  readonly mark: string;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

const markVariable = 'LUMBUNG_SANDBOX_MARK';
/** How long output may still come after the end, from processes that keep the pipe open. */
const drainLimitMs = 500;

export class ProcessRuntime implements ContainerRuntime {
  readonly usesDisk = true;
  private readonly deps: ProcessRuntimeDeps;
  private readonly watchdog = new OrphanWatchdog();
  private readonly running = new Set<ContainerHandle>();
  private watching = false;
  private stopping = false;

  constructor(deps: ProcessRuntimeDeps) {
    this.deps = deps;
  }

  launch(launch: ContainerLaunch): Promise<LaunchOutcome> {
    if (this.stopping) return Promise.resolve({ kind: 'Failed', message: 'the sandbox is stopping' });
    if (!this.watching) {
      this.watching = true;
      this.watchdog.start();
    }
    const [program, ...args] = launch.argv;
    if (program === undefined) return Promise.resolve({ kind: 'Failed', message: 'no command specified' });
    let child: Child;
    try {
      child = spawn(program, args, {
        cwd: launch.workingDir,
        env: { ...launch.env, [markVariable]: this.deps.mark },
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      // Arguments that the system cannot take at all, such as a NUL byte or an oversized environment.
      return Promise.resolve({ kind: 'Failed', message: startProblem(program, error) });
    }
    return new Promise((resolve) => {
      child.once('error', (error) => {
        if (child.pid === undefined) resolve({ kind: 'Failed', message: startProblem(program, error) });
        else
          this.deps.logger.warn('container process error', {
            pid: child.pid,
            code: (error as NodeJS.ErrnoException).code,
          });
      });
      const { pid } = child;
      if (pid !== undefined) resolve({ kind: 'Started', handle: this.adopt(child, pid, launch) });
    });
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const handle of this.running) handle.kill();
    await Promise.all([...this.running].map((handle) => handle.exited));
    if (!this.watching) return;
    await killMarked(this.deps.mark);
    await this.watchdog.stop();
  }

  private adopt(child: Child, pid: number, launch: ContainerLaunch): ContainerHandle {
    this.watchdog.add(pid);
    const output = Promise.all([
      pump(child.stdout, (chunk) => launch.onOutput('stdout', chunk)),
      pump(child.stderr, (chunk) => launch.onOutput('stderr', chunk)),
    ]);
    let over = false;
    const exited = new Promise<ContainerExit>((resolve) => {
      child.once('exit', (code, signal) => {
        void this.settle(child, pid, output).then(() => {
          over = true;
          this.running.delete(handle);
          resolve({ exitCode: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
        });
      });
    });
    const handle: ContainerHandle = {
      pid,
      exited,
      terminate: () => {
        if (!over) signalGroup(pid, 'SIGTERM');
      },
      kill: () => {
        if (!over) signalGroup(pid, 'SIGKILL');
      },
    };
    this.running.add(handle);
    return handle;
  }

  /** After the first process ended: kills what is left of the group, waits until it is gone, takes in the last output. */
  private async settle(child: Child, group: number, output: Promise<unknown>): Promise<void> {
    if (signalGroup(group, 'SIGKILL')) {
      for (let waitMs = 1; await groupIsAlive(group); waitMs = Math.min(50, waitMs * 2)) {
        await this.deps.clock.sleep(waitMs);
        signalGroup(group, 'SIGKILL');
      }
    }
    this.watchdog.remove(group);
    const limit = this.deps.clock.after(drainLimitMs, () => {
      child.stdout.destroy();
      child.stderr.destroy();
    });
    await output;
    limit.cancel();
  }
}

/** Resolves at the end of the stream, also when the stream is destroyed. */
async function pump(stream: Readable, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  try {
    for await (const chunk of stream) await take(chunk as Uint8Array);
  } catch {
    // Destroyed after the drain limit, or the log's disk is full: the container itself is not concerned.
    stream.resume();
  }
}

function startProblem(program: string, error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return `exec: ${JSON.stringify(program)}: ${program.includes('/') ? 'stat ' + program + ': no such file or directory' : 'executable file not found in $PATH'}`;
  }
  if (code === 'EACCES') return `exec: ${JSON.stringify(path ?? program)}: permission denied`;
  return code === undefined ? message : `exec: ${JSON.stringify(program)}: ${code}`;
}

/** Kills processes that left their group but still carry the mark. Linux only; elsewhere they are not found. */
async function killMarked(mark: string): Promise<void> {
  const entry = `${markVariable}=${mark}`;
  let names: string[];
  try {
    names = await readdir('/proc');
  } catch {
    // No /proc on this system.
    return;
  }
  for (const name of names.filter((candidate) => /^\d+$/.test(candidate))) {
    try {
      const environment = await readFile(`/proc/${name}/environ`, 'latin1');
      if (environment.split('\0').includes(entry)) kill(Number(name), 'SIGKILL');
    } catch {
      // Ended while we looked, or belongs to somebody else.
    }
  }
}
