/**
 * The port between a pod's worker and what runs containers: processes of this machine, or virtual ones on a clock.
 *
 * Invariants that every runtime keeps: `exited` resolves exactly once, and only when nothing of the container is left;
 * signals to something that has ended do nothing.
 */
import type { Pod } from '../objects/pod.ts';

export interface ContainerLaunch {
  readonly pod: Pod;
  readonly containerName: string;
  /** Program and arguments, expanded and rewritten. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** Receives output as it comes; the producer is held back until the promise resolves. */
  readonly onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => Promise<void>;
}

export interface ContainerExit {
  /** 128 + signal when killed. */
  readonly exitCode: number;
}

export interface ContainerHandle {
  /** Of the process group, where there is one. */
  readonly pid: number | undefined;
  readonly exited: Promise<ContainerExit>;
  /** SIGTERM. */
  terminate(): void;
  /** SIGKILL. */
  kill(): void;
}

export type LaunchOutcome =
  | { readonly kind: 'Started'; readonly handle: ContainerHandle }
  /** Could not be started at all, e.g. the program does not exist. */
  | { readonly kind: 'Failed'; readonly message: string };

export interface ContainerRuntime {
  /** Whether containers read files: then volumes are written and logs kept. */
  readonly usesDisk: boolean;
  launch(launch: ContainerLaunch): Promise<LaunchOutcome>;
  /** Kills everything that was launched and resolves when all of it has ended. */
  stop(): Promise<void>;
}
