import { afterEach, describe, expect, it } from 'vitest';
import { MOST_SESSIONS } from '../../../src/agent/runs/guest-log.ts';
import { guestNamespace, runName } from '../../../src/api/v1alpha1/child-names.ts';
import { fence } from '../../../src/core/model/ids.ts';
import type { LogRequest } from '../../../src/wire/session-messages.ts';
import { anOrder } from '../../support/agent-builders.ts';
import { KeeperRig, RULES } from '../../support/keeper-rig.ts';

const rigs: KeeperRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.crash();
});
async function aRig(): Promise<KeeperRig> {
  const rig = new KeeperRig();
  rigs.push(rig);
  return rig.start();
}

const order = anOrder({ workers: 2, fence: 2 });
function open(rig: KeeperRig, change: Partial<LogRequest> = {}): ReturnType<KeeperRig['keeper']['openLog']> {
  const request = {
    sessionId: 's',
    run: order.id,
    worker: 0,
    container: '',
    follow: false,
    timestamps: false,
    user: 'u',
    ...change,
  };
  return rig.keeper.openLog(request, new AbortController().signal);
}
async function reason(rig: KeeperRig, change: Partial<LogRequest> = {}): Promise<string> {
  const opened = await open(rig, change);
  return opened.ok ? 'open' : opened.error.reason;
}

describe('the log of a worker', () => {
  it('is read from its pod, and its place is given back', async () => {
    const rig = await aRig();
    await rig.running(order);
    for (let round = 0; round < MOST_SESSIONS + 5; round += 1) {
      const opened = await open(rig, { worker: 1, container: 'main', tailLines: 5 });
      const parts: Uint8Array[] = [];
      if (opened.ok) for await (const part of opened.value) parts.push(part);
      expect(Buffer.concat(parts).toString()).toBe('hello\n');
    }
  });

  it('is one of so many at once, and leaving gives the place back', async () => {
    const rig = await aRig();
    await rig.running(order);
    const opened = await Promise.all(Array.from({ length: MOST_SESSIONS }, () => open(rig)));
    expect(await reason(rig)).toBe('TooManySessions');
    const [first] = opened;
    if (first?.ok === true) {
      const reader = first.value[Symbol.asyncIterator]();
      await reader.return?.();
      await reader.return?.();
    }
    expect(await reason(rig)).toBe('open');
    expect(await reason(rig)).toBe('TooManySessions');
  });

  it.each([
    [
      'the owner forbids it',
      (rig: KeeperRig): unknown => (rig.rules = { ...RULES, logsAllowed: false }),
      {},
      'ForbiddenByOwner',
    ],
    ['there is no policy', (rig: KeeperRig): unknown => (rig.rules = undefined), {}, 'ForbiddenByOwner'],
    ['there was never such a run', () => undefined, { run: { ...order.id, fence: fence(9) } }, 'NotFound'],
    ['an earlier attempt is gone', () => undefined, { run: { ...order.id, fence: fence(1) } }, 'Expired'],
    ['there is no such worker', () => undefined, { worker: 2 }, 'NotFound'],
    ['there is no such container', () => undefined, { container: 'side' }, 'NotFound'],
  ] as const)('answers when %s', async (_why, arrange, change, wanted) => {
    const rig = await aRig();
    await rig.running(order);
    arrange(rig);
    expect(await reason(rig, change)).toBe(wanted);
  });

  it('has not started before its container has, and has expired with its pod', async () => {
    const rig = await aRig();
    rig.desire({ runs: [order] });
    await rig.until(() => rig.job(order) !== undefined);
    expect(await reason(rig)).toBe('NotStarted');
    const [first, second] = rig.kube.startJob(guestNamespace(order.tenant), runName(order.id));
    await rig.pass();
    expect(await reason(rig)).toBe('NotStarted');
    rig.kube.setPod(first!, { containerStatuses: [{ name: 'main', state: { waiting: { reason: 'ErrImagePull' } } }] });
    await rig.pass();
    expect(await reason(rig)).toBe('NotStarted');
    for (const pod of [first!, second!]) rig.kube.exitPod(rig.kube.runPod(pod), 0);
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(await reason(rig)).toBe('open');
    rig.desire({ outcomeAcks: [order.id], goneJobUids: [] });
    await rig.pass(3_700_000);
    expect(await reason(rig)).toBe('Expired');
  });
});
