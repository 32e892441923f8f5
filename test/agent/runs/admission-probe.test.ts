import { describe, expect, it } from 'vitest';
import { AdmissionProbe } from '../../../src/agent/runs/admission-probe.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { FakeKube, lostConnection, refusal } from '../../support/fake-kube.ts';

const pod = { metadata: { labels: {}, annotations: {} }, spec: { containers: [] } };

function aRig(): {
  readonly clock: VirtualClock;
  readonly kube: FakeKube;
  readonly ask: (likeness?: string, namespace?: string) => ReturnType<AdmissionProbe['ask']>;
} {
  const clock = new VirtualClock();
  const kube = new FakeKube(clock);
  const probe = new AdmissionProbe({ client: kube.client(), clock });
  return { clock, kube, ask: (likeness = 'a', namespace = 'guest-a') => probe.ask({ namespace, pod, likeness }) };
}

describe('the admission probe', () => {
  it('asks once for pods that are alike, and again when time has passed', async () => {
    const { clock, kube, ask } = aRig();
    await Promise.all([ask(), ask(), ask()]);
    expect(kube.calls).toHaveLength(1);
    expect(kube.calls[0]).toMatchObject({ verb: 'create', plural: 'pods', dryRun: true });
    await ask('b');
    await ask('a', 'guest-b');
    expect(kube.calls).toHaveLength(3);
    clock.advance(600_001);
    await ask();
    expect(kube.calls).toHaveLength(4);
  });

  it.each([
    [422, 'Invalid'],
    [403, 'Forbidden'],
    [400, 'BadRequest'],
  ])('turns %i into a typed reason', async (status, reason) => {
    const { kube, ask } = aRig();
    kube.admit = () => {
      throw refusal(status, reason, 'spec.x: no');
    };
    expect(await ask()).toMatchObject({
      ok: false,
      error: { cause: 'AdmissionError', message: expect.stringContaining('spec.x: no') as string },
    });
  });

  it('keeps no answer that says nothing about the pod', async () => {
    const { kube, ask } = aRig();
    kube.admit = () => {
      throw lostConnection();
    };
    await expect(ask()).rejects.toThrow('connection reset');
    kube.admit = () => {
      throw refusal(500, 'InternalError', 'webhook');
    };
    await expect(ask()).rejects.toThrow('webhook');
    kube.admit = () => undefined;
    expect(await ask()).toEqual({ ok: true, value: undefined });
  });
});
