import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/platform/clock/system-clock.ts';
import { silentLogger } from '../../../../src/platform/log/logger.ts';
import { groupIsAlive } from '../../../../src/sandbox/cluster/kubelet/process-groups.ts';
import { ProcessRuntime } from '../../../../src/sandbox/cluster/kubelet/process-runtime.ts';
import type { ContainerHandle } from '../../../../src/sandbox/cluster/kubelet/container-runtime.ts';
import { aPod } from '../object-builders.ts';

const clock = systemClock();
let folder = '';
let runtime: ProcessRuntime;
let marks = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandbox-process-'));
  runtime = new ProcessRuntime({ clock, logger: silentLogger(), mark: `test-${process.pid}-${(marks += 1)}` });
});

afterEach(async () => {
  await runtime.stop();
  await rm(folder, { recursive: true, force: true });
});

const path = '/usr/local/bin:/usr/bin:/bin';

interface Started {
  readonly handle: ContainerHandle;
  readonly output: () => string;
}

async function start(...argv: readonly string[]): Promise<Started> {
  let output = '';
  const outcome = await runtime.launch({
    pod: aPod(),
    containerName: 'main',
    argv,
    env: { PATH: path, GREETING: 'hello' },
    workingDir: folder,
    onOutput: (_stream, chunk) => {
      output += Buffer.from(chunk).toString();
      return Promise.resolve();
    },
  });
  if (outcome.kind === 'Failed') throw new Error(outcome.message);
  return { handle: outcome.handle, output: () => output };
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await clock.sleep(5);
  }
}

describe('ProcessRuntime', () => {
  it('runs a program in its folder with nothing but the given environment, and reports its end', async () => {
    const { handle, output } = await start('sh', '-c', 'echo "$GREETING from $(pwd)"; echo "home=$HOME"; exit 7');
    expect(await handle.exited).toEqual({ exitCode: 7 });
    expect(output()).toBe(`hello from ${folder}\nhome=\n`);
  });

  it('ends on SIGTERM with 143, children included', async () => {
    const { handle, output } = await start('sh', '-c', 'sleep 100 & echo up; wait');
    await until(() => output() === 'up\n', 'the shell is up');
    handle.terminate();
    expect(await handle.exited).toEqual({ exitCode: 143 });
    expect(await groupIsAlive(handle.pid!)).toBe(false);
  });

  it('needs SIGKILL where SIGTERM is ignored, and then says 137', async () => {
    const { handle, output } = await start('sh', '-c', "trap '' TERM; echo up; while true; do sleep 0.05; done");
    await until(() => output() === 'up\n', 'the shell is up');
    handle.terminate();
    await clock.sleep(100);
    expect(await groupIsAlive(handle.pid!)).toBe(true);
    handle.kill();
    expect(await handle.exited).toEqual({ exitCode: 137 });
  });

  it('kills what the first process leaves behind', async () => {
    const { handle } = await start('sh', '-c', 'sleep 100 & exit 0');
    expect(await handle.exited).toEqual({ exitCode: 0 });
    expect(await groupIsAlive(handle.pid!)).toBe(false);
  });

  it('kills at its stop even what left its group', async () => {
    const { handle, output } = await start('sh', '-c', 'setsid sleep 100 & echo $!; wait');
    await until(() => output() !== '', 'the child is up');
    const escaped = Number(output());
    handle.kill();
    await handle.exited;
    await runtime.stop();
    await until(async () => !(await groupIsAlive(escaped)), 'the escaped process is gone');
  });

  it.each([
    ['a program that does not exist', ['no-such-program'], 'executable file not found in $PATH'],
    ['a path that does not exist', ['/no/such'], 'no such file or directory'],
    ['a folder', ['/usr'], 'permission denied'],
    ['an argument that no system takes', ['true', 'a\0b'], ''],
    ['nothing', [], 'no command specified'],
  ])('says why it cannot start %s', async (_name, argv, want) => {
    const outcome = await runtime.launch({
      pod: aPod(),
      containerName: 'main',
      argv,
      env: { PATH: path },
      workingDir: folder,
      onOutput: () => Promise.resolve(),
    });
    expect(outcome.kind === 'Failed' && outcome.message).toContain(want);
  });

  it('is outlived by no container when its process is killed without warning', async () => {
    const script = `
      import { ProcessRuntime } from ${JSON.stringify(new URL('../../../../src/sandbox/cluster/kubelet/process-runtime.ts', import.meta.url).href)};
      import { systemClock } from ${JSON.stringify(new URL('../../../../src/platform/clock/system-clock.ts', import.meta.url).href)};
      import { silentLogger } from ${JSON.stringify(new URL('../../../../src/platform/log/logger.ts', import.meta.url).href)};
      const runtime = new ProcessRuntime({ clock: systemClock(), logger: silentLogger(), mark: 'killed-${process.pid}' });
      const outcome = await runtime.launch({ pod: { metadata: {}, spec: { containers: [] } }, containerName: 'c',
        argv: ['sh', '-c', "trap '' TERM HUP; while true; do sleep 0.05; done"], env: { PATH: ${JSON.stringify(path)} },
        workingDir: '/tmp', onOutput: () => Promise.resolve() });
      console.log(outcome.handle.pid);
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await until(() => output.includes('\n'), 'the container runs');
    const group = Number(output);
    expect(await groupIsAlive(group)).toBe(true);
    child.kill('SIGKILL');
    await until(async () => !(await groupIsAlive(group)), 'the container is gone');
  });
});
