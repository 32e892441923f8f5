import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../src/platform/clock/virtual-clock.ts';
import {
  createSimulatedRuntime,
  simulatedBehaviour,
} from '../../../../src/sandbox/cluster/kubelet/simulated-runtime.ts';
import type { ContainerHandle } from '../../../../src/sandbox/cluster/kubelet/container-runtime.ts';
import { aPod } from '../object-builders.ts';

async function launch(clock: VirtualClock, annotations: Record<string, string>): Promise<ContainerHandle> {
  const outcome = await createSimulatedRuntime(clock).launch({
    pod: aPod({ metadata: { annotations } }),
    containerName: 'main',
    argv: [],
    env: {},
    workingDir: '/',
    onOutput: () => Promise.resolve(),
  });
  if (outcome.kind === 'Failed') throw new Error(outcome.message);
  return outcome.handle;
}

async function exitCodeBy(handle: ContainerHandle): Promise<number | 'runs'> {
  const settled = new Promise<'runs'>((resolve) => {
    setImmediate(() => {
      resolve('runs');
    });
  });
  return Promise.race([handle.exited.then(({ exitCode }) => exitCode), settled]);
}

describe('simulated containers', () => {
  it('end after their duration with their exit code', async () => {
    const clock = new VirtualClock();
    const handle = await launch(clock, {
      'sandbox.lumbung.dev/duration': '1m30s',
      'sandbox.lumbung.dev/exit-code': '3',
    });
    await clock.advanceAsync(89_999);
    expect(await exitCodeBy(handle)).toBe('runs');
    await clock.advanceAsync(1);
    expect(await exitCodeBy(handle)).toBe(3);
  });

  it('end on SIGTERM unless they ignore it, and on SIGKILL always', async () => {
    const clock = new VirtualClock();
    const polite = await launch(clock, { 'sandbox.lumbung.dev/duration': 'infinite' });
    polite.terminate();
    expect(await exitCodeBy(polite)).toBe(143);
    const stubborn = await launch(clock, {
      'sandbox.lumbung.dev/duration': 'infinite',
      'sandbox.lumbung.dev/ignore-sigterm': 'true',
    });
    stubborn.terminate();
    expect(await exitCodeBy(stubborn)).toBe('runs');
    stubborn.kill();
    expect(await exitCodeBy(stubborn)).toBe(137);
    expect(clock.nextDueMs()).toBeUndefined();
  });

  it.each([
    ['duration', '5 minutes'],
    ['duration', ''],
    ['exit-code', '256'],
    ['exit-code', '-1'],
  ])('refuse a %s of %j by name', (name, value) => {
    const behaviour = simulatedBehaviour(
      aPod({ metadata: { annotations: { [`sandbox.lumbung.dev/${name}`]: value } } }),
    );
    expect(behaviour.kind === 'Bad' && behaviour.message).toContain(
      `sandbox.lumbung.dev/${name}: ${JSON.stringify(value)}`,
    );
  });
});
