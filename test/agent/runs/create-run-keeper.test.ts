import { afterEach, describe, expect, it } from 'vitest';
import { guestNamespace, runName } from '../../../src/api/v1alpha1/child-names.ts';
import { fence, memberName } from '../../../src/core/model/ids.ts';
import type { RunOrder } from '../../../src/core/model/run.ts';
import {
  configMaps,
  jobs,
  namespaces,
  networkPolicies,
  pods,
  priorityClasses,
  secrets,
  services,
} from '../../../src/platform/kube/builtin-resources.ts';
import { GUEST_RUN_RESOURCE } from '../../../src/api/v1alpha1/guest-run.ts';
import { seal } from '../../../src/platform/pki/sealing.ts';
import { anOrder, type OrderShape } from '../../support/agent-builders.ts';
import { lostConnection, refusal, type Stored } from '../../support/fake-kube.ts';
import { KeeperRig, RULES, SEALING_PUBLIC_KEY } from '../../support/keeper-rig.ts';

const rigs: KeeperRig[] = [];
async function aRig(): Promise<KeeperRig> {
  const rig = new KeeperRig();
  rigs.push(rig);
  return rig.start();
}
async function successorOf(rig: KeeperRig, seed?: string): Promise<KeeperRig> {
  const next = await rig.successor(seed);
  rigs.push(next);
  return next;
}
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.crash();
});

function fenced(shape: OrderShape = {}): RunOrder {
  return { ...anOrder(shape), onPartition: 'Fence' };
}
const spec = (object: Stored | undefined): Record<string, unknown> =>
  (object?.['spec'] ?? {}) as Record<string, unknown>;
const status = (object: Stored | undefined): Record<string, unknown> =>
  (object?.['status'] ?? {}) as Record<string, unknown>;

describe('a run that goes well', () => {
  it('is remembered, recorded, started, reported, acknowledged, kept for its logs and let go', async () => {
    const rig = await aRig();
    const order = anOrder();
    rig.desire({ runs: [order] });
    expect(rig.report(order)).toMatchObject({ phase: 'Accepted' });
    await rig.until(() => rig.phase(order) === 'Starting');
    const [pod] = await rig.running(order);
    expect(rig.report(order)).toMatchObject({
      phase: 'Running',
      workers: { pending: 0, running: 1 },
      deadlineArmed: true,
    });
    await rig.pass(5000);
    rig.kube.exitPod(pod!, 0);
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({
      outcome: 'Succeeded',
      cause: 'Completed',
      everStarted: true,
      exits: [{ index: 0, exitCode: 0, reason: 'Completed' }],
    });
    expect(rig.report(order)?.gpuSeconds).toBe(5);
    expect(rig.record(order)).toBeDefined();
    rig.desire({ outcomeAcks: [order.id] });
    await rig.pass();
    expect(rig.keeper.reports()).toEqual([]);
    expect(status(rig.record(order))).toMatchObject({ phase: 'Ended', cause: 'Completed', outcomeAcknowledged: true });
    expect(rig.podsOf(order)).toHaveLength(1);
    await rig.pass(3_600_000);
    expect([rig.record(order), rig.job(order), ...rig.podsOf(order)]).toEqual([undefined, undefined]);
    expect([rig.started, rig.ended]).toEqual([['job-1/1'], ['job-1/1 Completed']]);
  });

  it('is reported again to a hub that has forgotten that it acknowledged it, and never run again', async () => {
    const rig = await aRig();
    const order = anOrder();
    const [pod] = await rig.running(order);
    rig.kube.exitPod(pod!, 0);
    await rig.until(() => rig.phase(order) === 'Ended');
    rig.desire({ outcomeAcks: [order.id] });
    await rig.pass();
    expect(rig.keeper.reports()).toEqual([]);
    // A hub that was restored from a backup still counts on the run, or wants it stopped.
    const succeeded = { phase: 'Ended', end: { outcome: 'Succeeded', cause: 'Completed' } };
    rig.desire({ runs: [order] });
    expect(rig.report(order)).toMatchObject(succeeded);
    rig.desire({ cancels: [{ id: order.id, cause: 'Suspended', message: 'no longer wanted' }] });
    expect(rig.report(order)).toMatchObject(succeeded);
    rig.desire({ outcomeAcks: [order.id] });
    expect(rig.keeper.reports()).toEqual([]);
    // Once everything of it is let go, the fence alone is remembered.
    await rig.pass(3_600_000);
    rig.desire({ runs: [order] });
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Stopped', everStarted: true });
    expect(rig.started).toEqual(['job-1/1']);
  });

  it('costs three writes, one of them shared, and two to clean up', async () => {
    const rig = await aRig();
    const first = anOrder({ uid: 'first' });
    const [pod] = await rig.running(first);
    rig.kube.exitPod(pod!, 0);
    await rig.until(() => rig.phase(first) === 'Ended');
    rig.desire({ outcomeAcks: [first.id], goneJobUids: [first.id.jobUid] });
    await rig.pass(10_000);
    const before = rig.kube.writes.length;
    const orders = ['a', 'b', 'c', 'd'].map((uid) => anOrder({ uid }));
    rig.desire({ runs: orders });
    await rig.until(() => orders.every((order) => rig.job(order) !== undefined));
    for (const order of orders) {
      const [started] = rig.kube.startJob(guestNamespace(order.tenant), runName(order.id));
      rig.kube.exitPod(rig.kube.runPod(started!), 0);
    }
    await rig.until(() => orders.every((order) => rig.phase(order) === 'Ended'));
    const made = rig.kube.writeLines.slice(before);
    expect(made.filter((line) => line === 'patch configmaps')).toHaveLength(1);
    expect(made.filter((line) => line === 'create guestruns')).toHaveLength(4);
    expect(made.filter((line) => line === 'create jobs')).toHaveLength(4);
    expect(made).toHaveLength(9);
    rig.desire({ outcomeAcks: orders.map((order) => order.id), goneJobUids: [] });
    await rig.pass(3_700_000);
    const cleaned = rig.kube.writeLines.slice(before + 9);
    expect(cleaned.filter((line) => line === 'patch guestruns/status')).toHaveLength(4);
    expect(cleaned.filter((line) => line === 'delete guestruns')).toHaveLength(4);
    expect(cleaned).toHaveLength(8);
    const reads = rig.kube.calls.filter((call) => call.verb === 'get' || call.verb === 'list');
    expect(reads).toHaveLength(4); // three watches and fence memory, at the start
  });

  it('costs a gang two writes more: names and walls of its own', async () => {
    const rig = await aRig();
    const order = anOrder({ workers: 3 });
    const pods = await rig.running(order);
    const lines = rig.kube.writeLines;
    expect(lines.slice(lines.indexOf('create guestruns'))).toEqual([
      'create guestruns',
      'create services',
      'create networkpolicies',
      'create jobs',
    ]);
    const service = rig.kube.find(services, 'guest-team-a', runName(order.id));
    expect(spec(service)).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(service?.metadata.ownerReferences).toMatchObject([
      { kind: 'GuestRun', uid: rig.record(order)?.metadata.uid },
    ]);
    for (const pod of pods) rig.kube.exitPod(pod, 0);
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end?.outcome).toBe('Succeeded');
  });

  it('shows people a phase that lasts, and an outcome that nobody acknowledges', async () => {
    const rig = await aRig();
    const order = anOrder();
    const [pod] = await rig.running(order);
    expect(status(rig.record(order))).toEqual({});
    await rig.pass(11_000);
    expect(status(rig.record(order))).toMatchObject({ phase: 'Running', workers: { running: 1 } });
    rig.kube.exitPod(pod!, 0);
    await rig.pass(11_000);
    expect(status(rig.record(order))).toMatchObject({
      phase: 'Ended',
      cause: 'Completed',
      exits: [{ index: 0, exitCode: 0 }],
    });
    expect(status(rig.record(order))['outcomeAcknowledged']).toBeUndefined();
  });

  it('makes the ground of a tenant once, with walls and the lowest priority', async () => {
    const rig = await aRig();
    await rig.running(anOrder({ uid: 'a' }));
    await rig.running(anOrder({ uid: 'b' }));
    expect(rig.kube.writeLines.filter((line) => line === 'create namespaces')).toHaveLength(1);
    expect(rig.kube.find(namespaces, undefined, 'guest-team-a')?.metadata.labels).toMatchObject({
      'lumbung.dev/guest': 'true',
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
    expect(rig.kube.find(priorityClasses, undefined, 'lumbung-guest')).toMatchObject({
      value: -2_000_000_000,
      preemptionPolicy: 'Never',
    });
    expect(spec(rig.kube.find(networkPolicies, 'guest-team-a', 'lumbung-walls'))).toMatchObject({ ingress: [] });
    const dryRuns = rig.kube.calls.filter((call) => call.dryRun);
    expect(dryRuns).toHaveLength(1);
  });

  it('copies what the template refers to, as copies of the run alone', async () => {
    const rig = await aRig();
    const sealed = (data: Record<string, string>): Uint8Array =>
      seal(Buffer.from(JSON.stringify({ data })), SEALING_PUBLIC_KEY);
    const base = anOrder({
      podSpec: {
        containers: [{ name: 'main', image: 'i', envFrom: [{ secretRef: { name: 'keys' } }] }],
        volumes: [{ name: 'c', configMap: { name: 'settings' } }],
      },
    });
    const order: RunOrder = {
      ...base,
      attachments: [
        {
          kind: 'Secret',
          name: 'keys',
          type: 'Opaque',
          sealed: sealed({ TOKEN: Buffer.from('s3cret').toString('base64') }),
        },
        {
          kind: 'ConfigMap',
          name: 'settings',
          type: '',
          sealed: sealed({ a: Buffer.from('text').toString('base64') }),
        },
      ],
    };
    await rig.running(order);
    const [secret] = rig.kube.all(secrets);
    const copy = rig.kube.all(configMaps).find((one) => one.metadata.namespace === 'guest-team-a');
    expect(secret).toMatchObject({ type: 'Opaque', data: { TOKEN: 'czNjcmV0' } });
    expect(copy).toMatchObject({ data: { a: 'text' } });
    const pod = spec(rig.podsOf(order)[0]);
    expect(pod['volumes']).toMatchObject([{ configMap: { name: copy?.metadata.name } }]);
    expect(pod['containers']).toMatchObject([{ envFrom: [{ secretRef: { name: secret?.metadata.name } }] }]);
    expect(JSON.stringify(spec(rig.record(order)))).not.toContain('czNjcmV0');
    expect(JSON.stringify(spec(rig.record(order)))).not.toContain('attachments');
  });
});

describe('orders', () => {
  it('that repeat change nothing', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    const before = rig.kube.writes.length;
    rig.desire({ runs: [order] });
    rig.desire({ runs: [order] });
    await rig.pass(1000);
    expect(rig.kube.writes).toHaveLength(before);
    expect(rig.keeper.reports()).toHaveLength(1);
  });

  it('of an old generation or a lower term are ignored and counted', async () => {
    const rig = await aRig();
    rig.desire({}, { term: 5, counter: 7 });
    rig.desire({ runs: [anOrder()] }, { term: 5, counter: 7 });
    rig.desire({ runs: [anOrder()] }, { term: 4, counter: 99 });
    await rig.pass(1000);
    expect(rig.keeper.reports()).toEqual([]);
    expect(rig.rejections).toEqual(['OldGeneration', 'LowerTerm']);
    expect(rig.keeper.acknowledged()).toMatchObject({ term: 5, counter: 7 });
  });

  it('with other terms for a known fence do not change it', async () => {
    const rig = await aRig();
    await rig.running(anOrder());
    rig.desire({ runs: [{ ...anOrder(), maxRuntimeMs: 1 }] });
    await rig.pass(1000);
    expect(rig.phase(anOrder())).toBe('Running');
    expect(rig.rejections).toEqual(['ChangedTerms']);
  });

  it('wait for a lease, and start when it comes', async () => {
    const rig = new KeeperRig();
    rigs.push(rig);
    await rig.keeper.start(new AbortController().signal);
    const order = anOrder();
    rig.desire({ runs: [order] });
    await rig.pass(5000);
    expect(rig.report(order)).toMatchObject({ phase: 'Accepted' });
    expect(rig.kube.all(jobs)).toEqual([]);
    rig.lease();
    await rig.until(() => rig.job(order) !== undefined);
  });

  it('do not start once the lease is over by the largest elapsed time', async () => {
    const rig = await aRig();
    rig.clock.suspend(61_000);
    const order = anOrder();
    rig.desire({ runs: [order] });
    await rig.pass(2000);
    expect(rig.report(order)).toMatchObject({ phase: 'Accepted' });
    expect(rig.report(order)?.message).toContain('lease is over');
  });

  it.each([
    [
      'the policy refuses',
      (rig: KeeperRig): unknown => (rig.refusal = { cause: 'JurisdictionRefused', message: 'not in SG' }),
      {},
      'JurisdictionRefused',
    ],
    ['there is no policy', (rig: KeeperRig): unknown => (rig.rules = undefined), {}, 'PolicyRefused'],
    ['there is no room', (rig: KeeperRig): unknown => (rig.shortage = 'needs 2, have 1'), {}, 'StaleOffer'],
    ['the template is hostile', () => undefined, { podSpec: { hostNetwork: true } }, 'TemplateRefused'],
    [
      'a reference did not come',
      () => undefined,
      { podSpec: { volumes: [{ name: 'a', secret: { secretName: 'gone' } }] } },
      'ReferenceNotFound',
    ],
    [
      'the API server refuses the pod',
      (rig: KeeperRig) => {
        rig.kube.admit = () => {
          throw refusal(403, 'Forbidden', 'violates PodSecurity "restricted"');
        };
      },
      {},
      'AdmissionError',
    ],
  ] as const)(
    'are refused with a typed reason when %s, and their fence never starts',
    async (_why, arrange, shape, cause) => {
      const rig = await aRig();
      arrange(rig);
      const order = anOrder(shape);
      rig.desire({ runs: [order] });
      await rig.until(() => rig.phase(order) === 'Ended');
      expect(rig.report(order)?.end).toMatchObject({ outcome: 'Refused', cause, everStarted: false });
      expect(rig.kube.all(jobs)).toEqual([]);
      await rig.crash();
      const next = await successorOf(rig);
      next.desire({ runs: [anOrder()] });
      await next.until(() => next.phase(order) === 'Ended');
      expect(next.report(order)?.end).toMatchObject({ outcome: 'Refused', cause: 'FencePassed' });
      expect(next.kube.all(jobs)).toEqual([]);
    },
  );

  it('for another member, or to a cordoned one, are refused', async () => {
    const rig = await aRig();
    const foreign = { ...anOrder({ uid: 'foreign' }), member: memberName('member-b') };
    const late = anOrder({ uid: 'late' });
    rig.desire({ runs: [foreign, late], cordoned: true });
    await rig.until(() => rig.keeper.reports().every((report) => report.phase === 'Ended'));
    expect(rig.report(foreign)?.end?.cause).toBe('Unsupported');
    expect(rig.report(late)?.end?.cause).toBe('Drained');
  });

  it('with a lower fence are refused, with a higher one wait for the lower to end', async () => {
    const rig = await aRig();
    const [pod] = await rig.running(anOrder({ fence: 3 }));
    const lower = anOrder({ fence: 2 });
    const higher = anOrder({ fence: 4 });
    rig.desire({ runs: [anOrder({ fence: 3 }), lower, higher] });
    await rig.until(() => rig.phase(lower) === 'Ended');
    expect(rig.report(lower)?.end).toMatchObject({ outcome: 'Refused', cause: 'FencePassed', everStarted: false });
    await rig.pass(2000);
    expect(rig.report(higher)).toMatchObject({ phase: 'Accepted' });
    expect(rig.report(higher)?.message).toContain('fence 3');
    rig.kube.exitPod(pod!, 1);
    rig.kube.jobCondition('guest-team-a', runName(anOrder({ fence: 3 }).id), 'Failed', 'BackoffLimitExceeded');
    await rig.pass(2000);
    rig.lease();
    await rig.until(() => rig.job(higher) !== undefined);
    expect(rig.rejections).toContain('LowerFence');
  });

  it('that vanish before they started are dropped, and start when they come again', async () => {
    const rig = new KeeperRig();
    rigs.push(rig);
    await rig.keeper.start(new AbortController().signal);
    const order = anOrder();
    rig.desire({ runs: [order] });
    await rig.pass();
    rig.desire({});
    await rig.pass();
    expect(rig.keeper.reports()).toEqual([]);
    rig.lease();
    rig.desire({ runs: [order] });
    await rig.until(() => rig.job(order) !== undefined);
  });

  it('book their capacity at once', async () => {
    const rig = await aRig();
    rig.mayAct = false;
    rig.desire({ runs: [anOrder({ workers: 2, gpusPerWorker: 4 })] });
    expect(rig.keeper.bookings()).toMatchObject([
      { perWorker: { 'nvidia.com/gpu': 4, pods: 1 }, nodes: [{ node: 'node-1', workers: 2 }] },
    ]);
  });
});

describe('stopping', () => {
  it('absence stops nothing; a cancel by fence does', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.desire({});
    await rig.pass(60_000);
    expect(rig.phase(order)).toBe('Running');
    rig.desire({ cancels: [{ id: { ...order.id, fence: fence(2) }, cause: 'Deleted', message: 'another fence' }] });
    await rig.pass(1000);
    expect(rig.phase(order)).toBe('Running');
    rig.desire({ cancels: [{ id: order.id, cause: 'Suspended', message: 'suspended' }] });
    await rig.until(() => rig.phase(order) === 'Stopping');
    expect(rig.podsOf(order)[0]?.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(rig.job(order)?.metadata.deletionTimestamp).toBeDefined();
    await rig.pass(20_000);
    expect(rig.phase(order)).toBe('Stopping');
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Stopped', cause: 'Suspended', everStarted: true });
  });

  it('answers a cancel of a run that never came, and never starts it afterwards', async () => {
    const rig = await aRig();
    const order = anOrder();
    rig.desire({ cancels: [{ id: order.id, cause: 'Deleted', message: 'gone' }] });
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Refused', cause: 'Deleted', everStarted: false });
    rig.desire({ outcomeAcks: [order.id] });
    await rig.pass();
    rig.desire({ runs: [order] });
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.kube.all(jobs)).toEqual([]);
  });

  it('reclaims within the shorter grace and says why', async () => {
    const rig = await aRig();
    const order = anOrder({ workers: 2 });
    await rig.running(order);
    expect(rig.keeper.guests()).toMatchObject([{ run: order.id, stopping: false }]);
    expect(rig.keeper.guests()[0]?.pods).toHaveLength(2);
    rig.rules = { ...RULES, maxGraceMs: 7000 };
    rig.keeper.end([order.id], 'Reclaimed', 'owner pod ns/train needs 2 GPUs');
    expect(rig.keeper.guests()[0]?.stopping).toBe(true);
    await rig.until(() => rig.phase(order) === 'Stopping');
    expect(rig.podsOf(order).map((pod) => pod.metadata.deletionGracePeriodSeconds)).toEqual([7, 7]);
    expect(status(rig.record(order))).toMatchObject({ phase: 'Stopping', cause: 'Reclaimed' });
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ cause: 'Reclaimed', message: 'owner pod ns/train needs 2 GPUs' });
    expect(rig.keeper.guests()).toEqual([]);
    expect(rig.keeper.bookings()).toEqual([]);
  });

  it('does not take a worker that obeys SIGTERM with 0 for a success', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.keeper.end([order.id], 'Reclaimed', 'owner');
    await rig.until(() => rig.podsOf(order)[0]?.metadata.deletionTimestamp !== undefined);
    await rig.pass(2000);
    rig.kube.finishDeletedPods(0);
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Stopped', cause: 'Reclaimed' });
  });

  it('ends guests when the policy tightens, with its grace', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.changePolicy(() => {
      rig.mustEnd = { cause: 'PolicyRefused', message: 'paused by the owner', graceMs: 3000 };
    });
    await rig.until(() => rig.phase(order) === 'Stopping');
    expect(rig.podsOf(order)[0]?.metadata.deletionGracePeriodSeconds).toBe(3);
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ cause: 'PolicyChanged', message: 'paused by the owner' });
  });

  it('ends the whole gang when one worker fails, keeping the pod that failed for its log', async () => {
    const rig = await aRig();
    const order = anOrder({ workers: 3 });
    const [, second] = await rig.running(order);
    rig.kube.exitPod(second!, 137, 'OOMKilled');
    await rig.until(() => rig.podsOf(order).filter((pod) => pod.metadata.deletionTimestamp !== undefined).length === 2);
    rig.kube.finishDeletedPods();
    rig.kube.jobCondition('guest-team-a', runName(order.id), 'Failed', 'BackoffLimitExceeded');
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({
      outcome: 'Failed',
      cause: 'OutOfMemory',
      message: 'worker 1: exited 137 (OOMKilled)',
    });
    expect(rig.podsOf(order)).toHaveLength(1);
  });

  it('knows preemption by the scheduler of the member', async () => {
    const rig = await aRig();
    const order = anOrder({ workers: 2 });
    const [first] = await rig.running(order);
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' };
    rig.kube.deleteObject(pods, rig.kube.setPod(first!, { conditions: [condition] }), {
      propagationPolicy: 'Background',
      gracePeriodSeconds: 30,
    });
    await rig.until(() => rig.podsOf(order).every((pod) => pod.metadata.deletionTimestamp !== undefined));
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Stopped', cause: 'Reclaimed' });
  });

  it('ends at maxRuntime, at startTimeout, and for an image that cannot work', async () => {
    const rig = await aRig();
    const long = { ...anOrder({ uid: 'long' }), maxRuntimeMs: 20_000 };
    await rig.running(long);
    await rig.until(() => rig.phase(long) === 'Stopping', 21_000);
    expect(rig.report(long)?.message).toContain('maxRuntime of 20 s');
    const slow = { ...anOrder({ uid: 'slow', workers: 2 }), startTimeoutMs: 30_000 };
    const bad = { ...anOrder({ uid: 'bad' }), startTimeoutMs: 300_000 };
    rig.lease();
    rig.desire({ runs: [long, slow, bad] });
    await rig.until(() => rig.job(slow) !== undefined && rig.job(bad) !== undefined);
    const [first, second] = rig.kube.startJob('guest-team-a', runName(slow.id));
    rig.kube.runPod(first!);
    rig.kube.setPod(second!, {
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }],
    });
    const [broken] = rig.kube.startJob('guest-team-a', runName(bad.id));
    rig.kube.setPod(rig.kube.bindPod(broken!, 'node-1'), {
      containerStatuses: [
        { name: 'main', state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } },
      ],
    });
    await rig.until(() => rig.phase(slow) === 'Stopping', 31_000);
    expect(rig.report(slow)?.message).toContain('0/3 nodes');
    await rig.until(() => rig.phase(bad) === 'Stopping', 121_000);
    rig.kube.finishDeletedPods();
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.keeper.reports().every((report) => report.phase === 'Ended'));
    expect(rig.report(slow)?.end?.cause).toBe('GangNotStarted');
    expect(rig.report(bad)?.end).toMatchObject({ outcome: 'Failed', cause: 'ImageError' });
    expect(rig.report(long)?.end).toMatchObject({ outcome: 'Failed', cause: 'MaxRuntimeExceeded' });
  }, 30_000);

  it('lets an owner evict by deleting the GuestRun', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.kube.deleteObject(GUEST_RUN_RESOURCE, rig.record(order)!, { propagationPolicy: 'Background' });
    await rig.until(() => rig.podsOf(order).every((pod) => pod.metadata.deletionTimestamp !== undefined));
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Stopped', cause: 'GuestDeleted' });
    rig.desire({ runs: [order] });
    await rig.pass(5000);
    expect(rig.job(order)).toBeUndefined();
  });

  it('reports Unknown while a node does not answer, and goes on when it returns', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.changeInventory(() => rig.unreachable.add('node-1'));
    await rig.until(() => rig.phase(order) === 'Unknown');
    rig.changeInventory(() => {
      rig.unreachable.clear();
    });
    await rig.until(() => rig.phase(order) === 'Running');
    expect(rig.podsOf(order)[0]?.metadata.deletionTimestamp).toBeUndefined();
  });
});

describe('leases', () => {
  it('end a Fence run and leave a KeepAndWait run alone', async () => {
    const rig = await aRig();
    const fence = fenced({ uid: 'fence' });
    const keep = anOrder({ uid: 'keep' });
    await rig.running(fence);
    await rig.running(keep);
    await rig.until(() => rig.phase(fence) === 'Stopping', 61_000);
    expect(rig.podsOf(fence)[0]?.metadata.deletionGracePeriodSeconds).toBe(5); // the lease's own termination grace
    rig.kube.finishDeletedPods();
    await rig.until(() => rig.phase(fence) === 'Ended');
    expect(rig.report(fence)?.end?.cause).toBe('LeaseExpired');
    await rig.pass(600_000);
    expect(rig.phase(keep)).toBe('Running');
  });

  it('extend the deadline of the Job when under half of it remains, and say when it counts', async () => {
    const rig = await aRig();
    const order = fenced();
    rig.desire({ runs: [order] });
    await rig.until(() => rig.job(order) !== undefined);
    expect(spec(rig.job(order))['activeDeadlineSeconds']).toBe(57);
    expect(rig.report(order)?.deadlineArmed).toBe(false);
    const [pod] = rig.kube.startJob('guest-team-a', runName(order.id));
    rig.kube.runPod(pod!);
    await rig.until(() => rig.report(order)?.deadlineArmed === true);
    const renewals = (): number => rig.kube.writeLines.filter((line) => line === 'patch jobs').length;
    for (let second = 0; second < 27; second += 1) {
      await rig.pass(1000);
      rig.lease();
    }
    expect(renewals()).toBe(0);
    for (let second = 0; second < 28; second += 1) {
      await rig.pass(1000);
      rig.lease();
    }
    expect(renewals()).toBe(1);
    expect(spec(rig.job(order))['activeDeadlineSeconds']).toBeGreaterThan(80);
    expect(rig.phase(order)).toBe('Running');
  });
});

describe('the agent restarts', () => {
  it('and adopts what runs, unharmed', async () => {
    const rig = await aRig();
    const order = anOrder({ workers: 2 });
    const pods = await rig.running(order);
    await rig.crash();
    const before = rig.kube.writes.length;
    const next = await successorOf(rig);
    await next.until(() => next.phase(order) === 'Running');
    await next.pass(5000);
    expect(rig.kube.writes).toHaveLength(before);
    expect(next.keeper.bookings()).toMatchObject([{ nodes: [{ node: 'node-1', workers: 2 }] }]);
    for (const pod of pods) rig.kube.exitPod(pod, 0);
    await next.until(() => next.phase(order) === 'Ended');
    expect(next.report(order)?.end?.outcome).toBe('Succeeded');
  });

  it('and still knows why a run was being stopped', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.keeper.end([order.id], 'Reclaimed', 'owner pod needs it');
    await rig.until(() => rig.podsOf(order)[0]?.metadata.deletionTimestamp !== undefined);
    await rig.crash();
    const next = await successorOf(rig);
    rig.kube.finishDeletedPods();
    await next.until(() => next.phase(order) === 'Ended');
    expect(next.report(order)?.end).toMatchObject({ cause: 'Reclaimed', message: 'owner pod needs it' });
  });

  it('and does not report again what was acknowledged, nor lose what was not', async () => {
    const rig = await aRig();
    const [a, b] = [anOrder({ uid: 'a' }), anOrder({ uid: 'b' })];
    const [podA] = await rig.running(a);
    const [podB] = await rig.running(b);
    rig.kube.exitPod(podA!, 0);
    rig.kube.exitPod(podB!, 5);
    rig.kube.jobCondition('guest-team-a', runName(b.id), 'Failed', 'BackoffLimitExceeded');
    await rig.until(() => rig.keeper.reports().every((report) => report.phase === 'Ended'));
    rig.desire({ outcomeAcks: [a.id] });
    await rig.pass();
    await rig.crash();
    const next = await successorOf(rig);
    await next.until(() => next.phase(b) === 'Ended');
    expect(next.keeper.reports()).toHaveLength(1);
    expect(next.report(b)?.end).toMatchObject({ outcome: 'Failed', cause: 'NonZeroExit', exits: [{ exitCode: 5 }] });
    await next.pass(3_600_000);
    expect(next.record(a)).toBeUndefined();
    expect(next.record(b)).toBeDefined();
  });

  it('and ends a guest whose GuestRun the owner deleted meanwhile', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    await rig.crash();
    rig.kube.deleteObject(GUEST_RUN_RESOURCE, rig.record(order)!, { propagationPolicy: 'Orphan' });
    const next = await successorOf(rig);
    await next.until(() => rig.podsOf(order)[0]?.metadata.deletionTimestamp !== undefined);
    rig.kube.finishDeletedPods();
    await next.until(() => next.phase(order) === 'Ended');
    expect(next.report(order)?.end).toMatchObject({ outcome: 'Stopped', cause: 'GuestDeleted' });
  });

  it('and never starts again a fence whose GuestRun and Job are gone', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    await rig.crash();
    rig.kube.deleteObject(GUEST_RUN_RESOURCE, rig.record(order)!, { propagationPolicy: 'Background' });
    rig.kube.finishDeletedPods();
    expect(rig.kube.all(jobs)).toEqual([]);
    const next = await successorOf(rig);
    next.desire({ runs: [order] });
    await next.until(() => next.phase(order) === 'Ended');
    expect(next.report(order)?.end).toMatchObject({ outcome: 'Stopped', cause: 'GuestDeleted', everStarted: true });
    expect(rig.kube.all(jobs)).toEqual([]);
    expect(next.rejections).toEqual(['AlreadyStarted']);
  });

  it('and sweeps guest pods that belong to nothing, but only after two looks', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    await rig.crash();
    rig.kube.deleteObject(GUEST_RUN_RESOURCE, rig.record(order)!, { propagationPolicy: 'Orphan' });
    rig.kube.deleteObject(jobs, rig.job(order)!, { propagationPolicy: 'Orphan' });
    const next = await successorOf(rig);
    await next.pass(61_000);
    expect(rig.podsOf(order)[0]?.metadata.deletionTimestamp).toBeUndefined();
    await next.pass(60_000);
    expect(rig.podsOf(order)[0]?.metadata.deletionTimestamp).toBeDefined();
  });

  it('and forgets fences only when the hub says that the job is gone', async () => {
    const rig = await aRig();
    const order = anOrder();
    const [pod] = await rig.running(order);
    rig.kube.exitPod(pod!, 0);
    await rig.until(() => rig.phase(order) === 'Ended');
    const shard = (): Record<string, unknown> =>
      (rig.kube.find(configMaps, 'lumbung-system', 'lumbung-fences-0')?.['data'] ?? {}) as Record<string, unknown>;
    expect(shard()).toMatchObject({ 'job-1': expect.stringMatching(/^1:started:/) as string });
    rig.desire({ goneJobUids: [order.id.jobUid] });
    await rig.pass(10_000);
    expect(rig.record(order)).toBeUndefined();
    expect(shard()).toEqual({});
  });
});

describe('a process that may not act', () => {
  it('writes nothing, and goes on when it may', async () => {
    const rig = await aRig();
    rig.mayAct = false;
    const order = anOrder();
    rig.desire({ runs: [order] });
    await rig.pass(10_000);
    expect(rig.kube.writes).toEqual([]);
    rig.mayAct = true;
    await rig.until(() => rig.job(order) !== undefined);
  });
});

describe('answers that are lost', () => {
  it.each(['guestruns', 'jobs', 'configmaps', 'services'])('make nothing twice when creating %s', async (plural) => {
    const rig = await aRig();
    let lost = 0;
    rig.kube.after = (call) => {
      if (call.verb !== 'create' || call.plural !== plural || lost > 0) return;
      lost += 1;
      throw lostConnection();
    };
    const order = anOrder({ workers: 2 });
    await rig.running(order);
    expect(lost).toBe(1);
    expect(rig.kube.all(jobs)).toHaveLength(1);
  });

  it('end no run before it is known whether its Job exists', async () => {
    const rig = await aRig();
    rig.kube.after = (call) => {
      if (call.verb === 'create' && call.plural === 'jobs') {
        rig.desire({ cancels: [{ id: anOrder().id, cause: 'Deleted', message: 'gone' }] });
        throw lostConnection();
      }
    };
    rig.desire({ runs: [anOrder()] });
    await rig.until(() => rig.phase(anOrder()) === 'Ended');
    expect(rig.kube.all(jobs)).toEqual([]);
    expect(rig.report(anOrder())?.end).toMatchObject({ cause: 'Deleted', everStarted: true });
  });

  it('become a typed reason when the API server refuses the Job for good', async () => {
    const rig = await aRig();
    rig.kube.before = (call) => {
      if (call.plural === 'jobs' && call.verb === 'create') throw refusal(422, 'Invalid', 'spec.template: bad');
    };
    rig.desire({ runs: [anOrder()] });
    await rig.until(() => rig.phase(anOrder()) === 'Ended');
    expect(rig.report(anOrder())?.end).toMatchObject({ outcome: 'Failed', cause: 'AdmissionError', everStarted: true });
  });

  it('wait out an API server that does not answer', async () => {
    const rig = await aRig();
    rig.kube.before = () => {
      throw lostConnection();
    };
    rig.desire({ runs: [anOrder()] });
    await rig.pass(20_000);
    expect(rig.phase(anOrder())).toBe('Accepted');
    rig.kube.before = () => undefined;
    await rig.until(() => rig.job(anOrder()) !== undefined);
  });

  it('never take over a namespace or priority class that somebody else made', async () => {
    const rig = await aRig();
    rig.kube.put(namespaces, { metadata: { name: 'guest-team-a' } });
    rig.desire({ runs: [anOrder()] });
    await rig.until(() => rig.phase(anOrder()) === 'Ended');
    expect(rig.report(anOrder())?.end).toMatchObject({
      cause: 'StaleOffer',
      message: 'Namespace guest-team-a exists and was not made by this agent',
    });
  });
});

describe('what guests leave alone', () => {
  it('a Secret that the API server refuses is never quoted', async () => {
    const rig = await aRig();
    rig.kube.before = (call) => {
      if (call.plural === 'secrets') throw refusal(422, 'Invalid', 'data[TOKEN]: Invalid value: "s3cret"');
    };
    const sealed = seal(Buffer.from(JSON.stringify({ data: { TOKEN: 'czNjcmV0' } })), SEALING_PUBLIC_KEY);
    const order: RunOrder = { ...anOrder(), attachments: [{ kind: 'Secret', name: 'keys', type: '', sealed }] };
    rig.desire({ runs: [order] });
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ cause: 'AdmissionError' });
    expect(JSON.stringify([rig.report(order), rig.record(order)])).not.toContain('s3cret');
  });

  it('a namespace that was deleted is made again for the next run', async () => {
    const rig = await aRig();
    const [first] = await rig.running(anOrder({ uid: 'first' }));
    rig.kube.exitPod(first!, 0);
    await rig.until(() => rig.phase(anOrder({ uid: 'first' })) === 'Ended');
    rig.kube.remove(namespaces, rig.kube.must(namespaces, undefined, 'guest-team-a'));
    const second = anOrder({ uid: 'second' });
    rig.desire({ runs: [second] });
    await rig.until(() => rig.phase(second) === 'Ended');
    expect(rig.report(second)?.end).toMatchObject({ cause: 'StaleOffer' });
    const third = anOrder({ uid: 'third' });
    rig.desire({ runs: [third] });
    await rig.until(() => rig.job(third) !== undefined);
  });

  it('pods of the owner that carry our labels by mistake are neither counted nor deleted', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    rig.kube.put(namespaces, { metadata: { name: 'owner' } });
    const labels = { 'lumbung.dev/guest': 'true', 'lumbung.dev/job-uid': 'job-9', 'lumbung.dev/fence': '1' };
    const copied = { ...rig.podsOf(order)[0]!.metadata.labels };
    const annotations = { 'batch.kubernetes.io/job-completion-index': '0' };
    rig.kube.put(pods, { metadata: { name: 'stray', namespace: 'owner', labels } });
    const twin = rig.kube.put(pods, { metadata: { name: 'twin', namespace: 'owner', labels: copied, annotations } });
    rig.kube.setPod(twin, { phase: 'Failed' });
    await rig.pass(200_000);
    expect(rig.report(order)).toMatchObject({ phase: 'Running', workers: { running: 1, failed: 0 } });
    expect(rig.kube.podsOf('owner').map((pod) => pod.metadata.deletionTimestamp)).toEqual([undefined, undefined]);
  });

  it('an order that somebody has edited in its GuestRun is left alone and named', async () => {
    const rig = await aRig();
    const order = anOrder();
    await rig.running(order);
    await rig.crash();
    rig.kube.update(GUEST_RUN_RESOURCE, rig.record(order)!, (copy) => {
      (copy['spec'] as Record<string, unknown>)['order'] = { id: 'nonsense' };
    });
    const next = await successorOf(rig);
    await next.pass(200_000);
    expect(rig.podsOf(order)[0]?.metadata.deletionTimestamp).toBeUndefined();
    expect(next.keeper.reports()).toEqual([]);
  });
});
