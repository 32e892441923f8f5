/**
 * The agent dies before or after each of its writes, a new one starts on the same cluster, and a hub that goes by reports
 * alone issues the next fence when one has ended. Whatever the moment: no fence is started twice, no two fences live at
 * once, and the job succeeds exactly once.
 */
import { describe, expect, it } from 'vitest';
import { guestNamespace, runName } from '../../../src/api/v1alpha1/child-names.ts';
import { GUEST_RUN_RESOURCE } from '../../../src/api/v1alpha1/guest-run.ts';
import { fence, runKey } from '../../../src/core/model/ids.ts';
import type { CancelOrder, RunOrder } from '../../../src/core/model/run.ts';
import { jobs, pods } from '../../../src/platform/kube/builtin-resources.ts';
import { anOrder } from '../../support/agent-builders.ts';
import type { FakeKube, Stored } from '../../support/fake-kube.ts';
import { KeeperRig } from '../../support/keeper-rig.ts';

interface Scenario {
  readonly name: string;
  readonly workers: number;
  /** Something that happens once, when the first fence runs. */
  readonly disturb?: (rig: KeeperRig, order: RunOrder, hub: Hub) => void;
}

const scenarios: readonly Scenario[] = [
  { name: 'a run of one worker', workers: 1 },
  { name: 'a gang', workers: 2 },
  {
    name: 'a run that the owner reclaims',
    workers: 2,
    disturb: (rig, order) => {
      rig.keeper.end([order.id], 'Reclaimed', 'owner');
    },
  },
  {
    name: 'a run that the hub cancels',
    workers: 1,
    disturb: (_rig, order, hub) => {
      hub.cancel = { id: order.id, cause: 'Preempted', message: 'for another' };
    },
  },
  {
    name: 'a run whose GuestRun the owner deletes',
    workers: 1,
    disturb: (rig, order) => {
      rig.kube.deleteObject(GUEST_RUN_RESOURCE, rig.record(order)!, { propagationPolicy: 'Background' });
    },
  },
  {
    name: 'a run of which a worker fails',
    workers: 2,
    disturb: (rig, order) => {
      rig.kube.exitPod(rig.podsOf(order)[0]!, 3);
    },
  },
];

/** Issues one fence after another, each only when the one before was reported Ended. */
class Hub {
  fence = 1;
  cancel: CancelOrder | undefined;
  readonly successes: number[] = [];
  readonly acks = new Map<string, RunOrder['id']>();
  private readonly workers: number;

  constructor(workers: number) {
    this.workers = workers;
  }

  order(): RunOrder {
    return { ...anOrder({ workers: this.workers }), id: { ...anOrder().id, fence: fence(this.fence) } };
  }

  talk(rig: KeeperRig): void {
    for (const report of rig.keeper.reports()) {
      if (report.end === undefined || this.acks.has(runKey(report.id))) continue;
      this.acks.set(runKey(report.id), report.id);
      if (report.id.fence !== this.fence) continue;
      if (report.end.outcome === 'Succeeded') this.successes.push(report.id.fence);
      else this.fence += 1;
      this.cancel = undefined;
    }
    const over = this.successes.length > 0;
    rig.lease();
    rig.desire({
      runs: over || this.cancel !== undefined ? [] : [this.order()],
      cancels: this.cancel === undefined ? [] : [this.cancel],
      outcomeAcks: [...this.acks.values()],
    });
  }
}

/** Job controller and kubelets: pods run for a second and exit 0; what is asked to end, ends after a while. */
class World {
  private readonly kube: FakeKube;
  private readonly since = new Map<string, number>();
  readonly created = new Map<string, number>();

  constructor(kube: FakeKube) {
    this.kube = kube;
    kube.before = (call) => {
      if (
        call.verb === 'create' &&
        call.plural === 'jobs' &&
        kube.find(jobs, call.namespace, call.name) === undefined
      ) {
        this.created.set(call.name, (this.created.get(call.name) ?? 0) + 1);
      }
    };
  }

  turn(nowMs: number): void {
    for (const job of this.kube.all(jobs)) this.control(job);
    for (const pod of this.kube.all(pods)) this.live(pod, nowMs);
    const fences = new Set(
      this.kube
        .all(pods)
        .filter((pod) => this.isLive(pod))
        .map((pod) => pod.metadata.labels?.['lumbung.dev/fence']),
    );
    expect([...fences].length, 'fences with live pods').toBeLessThanOrEqual(1);
  }

  private control(job: Stored): void {
    const { namespace = '', name = '' } = job.metadata;
    const status = (job['status'] ?? {}) as { readonly startTime?: string; readonly conditions?: unknown };
    if (job.metadata.deletionTimestamp !== undefined) return;
    if (status.startTime === undefined) this.kube.startJob(namespace, name);
    const failed = this.kube
      .podsOf(namespace)
      .some((pod) => pod.metadata.ownerReferences?.[0]?.name === name && this.phase(pod) === 'Failed');
    if (failed && status.conditions === undefined)
      this.kube.jobCondition(namespace, name, 'Failed', 'BackoffLimitExceeded');
  }

  private live(pod: Stored, nowMs: number): void {
    const name = pod.metadata.name ?? '';
    const sinceMs = this.since.get(name) ?? nowMs;
    this.since.set(name, sinceMs);
    if (pod.metadata.deletionTimestamp !== undefined) {
      const key = `${name}/deleted`;
      const deletedMs = this.since.get(key) ?? nowMs;
      this.since.set(key, deletedMs);
      if (nowMs - deletedMs >= 300) this.kube.finishPod(pod);
      return;
    }
    if (this.phase(pod) === 'Pending' && nowMs - sinceMs >= 200) this.kube.runPod(pod);
    else if (this.phase(pod) === 'Running' && nowMs - sinceMs >= 1500) this.kube.exitPod(pod, 0);
  }

  private isLive(pod: Stored): boolean {
    return this.phase(pod) === 'Running';
  }

  private phase(pod: Stored): unknown {
    return (pod['status'] as { readonly phase?: string } | undefined)?.phase;
  }
}

/** Plays the story with a death at the given write. Returns how many writes the first process made. */
async function play(
  scenario: Scenario,
  death: { readonly write: number; readonly when: 'before' | 'after' },
): Promise<number> {
  let rig = new KeeperRig({ seed: 'first' });
  const { kube, clock } = rig;
  const world = new World(kube);
  const hub = new Hub(scenario.workers);
  rig.client.killAt(death.write, death.when);
  await rig.start();
  const writesAtStart = kube.writes.length;
  let disturbed = scenario.disturb === undefined;
  let quietSteps = 0;
  for (let step = 0; step < 600 && quietSteps < 20; step += 1) {
    if (rig.client.dead) {
      await rig.crash();
      rig = await new KeeperRig({ kube, clock, seed: `after-${step}` }).start();
    }
    const order = hub.order();
    if (!disturbed && hub.fence === 1 && rig.phase(order) === 'Running') {
      disturbed = true;
      scenario.disturb?.(rig, order, hub);
    }
    hub.talk(rig);
    world.turn(clock.nowMs());
    await rig.pass(100);
    quietSteps = hub.successes.length > 0 ? quietSteps + 1 : 0;
  }
  expect(hub.successes, 'successes').toHaveLength(1);
  expect(
    [...world.created].filter(([, times]) => times > 1),
    'jobs made twice',
  ).toEqual([]);
  for (const [name] of world.created) expect(name.startsWith(runName(anOrder().id).slice(0, -1))).toBe(true);
  expect(kube.all(pods).filter((pod) => pod.metadata.namespace !== guestNamespace(anOrder().tenant))).toEqual([]);
  await rig.crash();
  return kube.writes.length - writesAtStart;
}

describe.each(scenarios)('$name survives the death of the agent', (scenario) => {
  it('before and after every single write', async () => {
    const writes = await play(scenario, { write: Number.MAX_SAFE_INTEGER, when: 'before' });
    expect(writes).toBeGreaterThan(4);
    for (let write = 0; write < writes; write += 1) {
      for (const when of ['before', 'after'] as const) await play(scenario, { write, when });
    }
  });
});
