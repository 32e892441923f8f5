/**
 * Containers that only pass time, for benchmarks and for simulation on virtual time.
 *
 * Annotations of the pod say how they behave: `sandbox.lumbung.dev/duration` (`90s`, `1h30m`, `infinite`; default 0s),
 * `sandbox.lumbung.dev/exit-code` (default 0), `sandbox.lumbung.dev/ignore-sigterm: "true"`.
 * Invariants: runs on the given clock alone; starts no process, writes no file and keeps no log.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Pod } from '../objects/pod.ts';
import type {
  ContainerExit,
  ContainerHandle,
  ContainerLaunch,
  ContainerRuntime,
  LaunchOutcome,
} from './container-runtime.ts';

export const durationAnnotation = 'sandbox.lumbung.dev/duration';
export const exitCodeAnnotation = 'sandbox.lumbung.dev/exit-code';
export const ignoreSigtermAnnotation = 'sandbox.lumbung.dev/ignore-sigterm';

export function createSimulatedRuntime(clock: Clock): ContainerRuntime {
  const running = new Set<ContainerHandle>();
  return {
    usesDisk: false,
    launch: (launch) => Promise.resolve(start(launch, clock, running)),
    stop: async () => {
      for (const handle of running) handle.kill();
      await Promise.all([...running].map((handle) => handle.exited));
    },
  };
}

function start(launch: ContainerLaunch, clock: Clock, running: Set<ContainerHandle>): LaunchOutcome {
  const behaviour = simulatedBehaviour(launch.pod);
  if (behaviour.kind === 'Bad') return { kind: 'Failed', message: behaviour.message };
  let finish: (exit: ContainerExit) => void = () => undefined;
  const exited = new Promise<ContainerExit>((resolve) => {
    finish = resolve;
  });
  const end = (exitCode: number): void => {
    timer?.cancel();
    running.delete(handle);
    finish({ exitCode });
  };
  const handle: ContainerHandle = {
    pid: undefined,
    exited,
    terminate: () => {
      if (!behaviour.ignoresSigterm) end(143);
    },
    kill: () => {
      end(137);
    },
  };
  running.add(handle);
  const timer =
    behaviour.durationMs === undefined
      ? undefined
      : clock.after(behaviour.durationMs, () => {
          end(behaviour.exitCode);
        });
  return { kind: 'Started', handle };
}

export type SimulatedBehaviour =
  | {
      readonly kind: 'Good';
      /** Undefined: runs until it is told to stop. */
      readonly durationMs: number | undefined;
      readonly exitCode: number;
      readonly ignoresSigterm: boolean;
    }
  | { readonly kind: 'Bad'; readonly message: string };

export function simulatedBehaviour(pod: Pod): SimulatedBehaviour {
  const annotations = pod.metadata.annotations ?? {};
  const duration = annotations[durationAnnotation] ?? '0s';
  const durationMs = duration === 'infinite' ? undefined : parseDurationMs(duration);
  if (durationMs === undefined && duration !== 'infinite') {
    return {
      kind: 'Bad',
      message: `${durationAnnotation}: ${JSON.stringify(duration)} is no duration such as 1h30m, 90s or infinite`,
    };
  }
  const exitCode = annotations[exitCodeAnnotation] ?? '0';
  if (!/^\d{1,3}$/.test(exitCode) || Number(exitCode) > 255) {
    return { kind: 'Bad', message: `${exitCodeAnnotation}: ${JSON.stringify(exitCode)} is not a number from 0 to 255` };
  }
  return {
    kind: 'Good',
    durationMs,
    exitCode: Number(exitCode),
    ignoresSigterm: annotations[ignoreSigtermAnnotation] === 'true',
  };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function parseDurationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    sum += Number(amount) * (unitMs[unit ?? ''] ?? 0);
  }
  return Math.round(sum);
}
