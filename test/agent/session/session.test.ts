import { afterEach, describe, expect, it } from 'vitest';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import type { Desired } from '../../../src/core/model/desired.ts';
import { aRunReport } from '../../support/agent-fakes.ts';
import { aRig, type HubEnd, type RigOptions } from './session-rig.ts';

const rigs: ReturnType<typeof aRig>[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    const stopped = rig.session.stop();
    await rig.clock.advanceAsync(60_000);
    await stopped;
  }
});

async function running(options: RigOptions = {}) {
  const rig = aRig(options);
  rigs.push(rig);
  await rig.start();
  return rig;
}

const desired = (term: number, counter: number): Desired => ({
  generation: { incarnation: 'i', term, counter },
  runs: [],
  cancels: [],
  outcomeAcks: [],
  goneJobUids: [],
  cordoned: false,
});
const goodbye = (
  hub: HubEnd,
  reason: 'NotLeader' | 'Revoked' | 'Superseded' | 'Draining' | 'NotAccepted',
  retryAfterMs = 0,
): void => {
  hub.send({ kind: 'goodbye', reason, message: `because ${reason}`, retryAfterMs });
};

describe('a session', () => {
  it('says hello first and reports nothing before it is welcome', async () => {
    const rig = await running({ onConnect: () => undefined });
    await rig.clock.advanceAsync(5000);
    expect(rig.hub.received.map((message) => message.kind)).toEqual(['hello']);
    expect(rig.hub.received[0]).toMatchObject({
      hello: { clusterUid: 'cluster-1', epoch: 2 ** 24 + 1, protocolVersion: 1 },
    });
    rig.hub.welcome();
    await rig.clock.advanceAsync(0);
    expect(rig.hub.reports).toHaveLength(1);
    expect(rig.session.connected).toBe(true);
  });

  it('reports at least every interval, jittered, and at once when runs change', async () => {
    const rig = await running();
    for (let i = 0; i < 4; i += 1) {
      rig.hub.ack(rig.hub.reports.at(-1));
      await rig.clock.advanceAsync(5000);
    }
    expect(rig.hub.reports.length).toBeGreaterThanOrEqual(5);
    expect(rig.hub.reports.length).toBeLessThanOrEqual(7);
    rig.hub.ack(rig.hub.reports.at(-1));
    await rig.clock.advanceAsync(200);
    const before = rig.hub.reports.length;
    rig.keeper.setRuns([aRunReport()]);
    await rig.clock.advanceAsync(0);
    expect(rig.hub.reports).toHaveLength(before + 1);
    expect(rig.hub.reports.at(-1)?.report.runs).toHaveLength(1);
  });

  it('makes one report of a burst, and its content is the newest', async () => {
    const rig = await running();
    for (let i = 1; i <= 20; i += 1) {
      rig.keeper.setRuns([aRunReport({}, { gpuSeconds: i })]);
      rig.inventory.setReport({ window: { edges: [{ atMs: i, kind: 'opens', gpus: 1 }] } });
      await rig.clock.advanceAsync(1);
    }
    await rig.clock.advanceAsync(60);
    expect(rig.hub.reports).toHaveLength(2);
    expect(rig.hub.reports.at(-1)?.report).toMatchObject({
      sequence: 2,
      runs: [{ gpuSeconds: 20 }],
      window: { edges: [{ atMs: 20 }] },
    });
  });

  it('counts the lease from before the acknowledged report was sent', async () => {
    const rig = await running();
    const sentMs = rig.clock.monotonicMs();
    await rig.clock.advanceAsync(300);
    rig.hub.ack(rig.hub.reports[0]);
    await rig.clock.advanceAsync(0);
    expect(rig.keeper.leases.map((lease) => lease.monotonicMs)).toEqual([sentMs]);
    expect(rig.session.lastLease()?.monotonicMs).toBe(sentMs);
  });

  it('ignores answers that are replayed, early, old or of another epoch', async () => {
    const rig = await running();
    const first = rig.hub.reports[0]!;
    rig.hub.ack(first);
    await rig.clock.advanceAsync(5000);
    const second = rig.hub.reports[1]!;
    rig.hub.ack(first);
    rig.hub.send({ kind: 'reportAck', epoch: second.report.epoch, sequence: 999, inventoryKnown: true });
    rig.hub.send({
      kind: 'reportAck',
      epoch: second.report.epoch + 1,
      sequence: second.report.sequence,
      inventoryKnown: true,
    });
    await rig.clock.advanceAsync(0);
    expect(rig.keeper.leases).toHaveLength(1);
    rig.hub.ack(second);
    await rig.clock.advanceAsync(0);
    expect(rig.keeper.leases).toHaveLength(2);
    expect(await rig.metrics.expose()).toContain('lumbung_agent_report_acks_total{verdict="stale"} 3');
  });

  it('takes an answer to a later report for all before it', async () => {
    const rig = await running();
    await rig.clock.advanceAsync(10_000);
    const [first, second] = rig.hub.reports;
    rig.hub.ack(second);
    rig.hub.ack(first);
    await rig.clock.advanceAsync(0);
    expect(rig.keeper.leases).toHaveLength(1);
  });

  it('leaves the inventory out once the hub has it, and sends it whole when asked or changed', async () => {
    const rig = await running();
    expect(rig.hub.reports[0]?.inventoryOmitted).toBe(false);
    rig.hub.ack(rig.hub.reports[0]);
    await rig.clock.advanceAsync(5000);
    expect(rig.hub.reports[1]).toMatchObject({
      inventoryOmitted: true,
      inventoryHash: rig.hub.reports[0]!.inventoryHash,
    });
    rig.hub.ack(rig.hub.reports[1], false);
    await rig.clock.advanceAsync(100);
    expect(rig.hub.reports[2]?.inventoryOmitted).toBe(false);
    expect(rig.keeper.leases).toHaveLength(1);
    rig.hub.ack(rig.hub.reports[2]);
    rig.inventory.setReport({ window: { edges: [{ atMs: 1, kind: 'opens', gpus: 2 }] } });
    await rig.clock.advanceAsync(200);
    expect(rig.hub.reports[3]).toMatchObject({ inventoryOmitted: false, report: { window: { edges: [{ gpus: 2 }] } } });
  });

  it('hands desired states to the keeper and acknowledges the generation', async () => {
    const rig = await running();
    await rig.clock.advanceAsync(100);
    rig.hub.send({ kind: 'desired', desired: desired(1, 5) });
    await rig.clock.advanceAsync(60);
    expect(rig.keeper.desired).toHaveLength(1);
    expect(rig.hub.reports.at(-1)?.report.acknowledged).toEqual({ incarnation: 'i', term: 1, counter: 5 });
  });

  it('refuses a hub and a desired state of a lower leader term', async () => {
    const rig = await running({
      onConnect: (hub, index) => {
        hub.welcome({ term: index === 0 ? 7 : 3 });
      },
    });
    rig.hub.send({ kind: 'desired', desired: desired(6, 1) });
    await rig.clock.advanceAsync(0);
    expect(rig.keeper.desired).toEqual([]);
    rig.hub.pair.sever();
    await rig.clock.advanceAsync(1000);
    expect(rig.hubs).toHaveLength(2);
    expect(rig.hubs[1]?.reports).toEqual([]);
    expect(rig.hubs[1]?.closedByAgent).toBe(true);
    expect(rig.session.connected).toBe(false);
  });

  it('reports an order that it cannot read as refused, until a newer desired state drops it', async () => {
    const rig = await running();
    const { id, job, tenant, pool, attempt, templateHash, gpuModel, gpusPerWorker } = aRunReport({ uid: 'newer' });
    const unreadable = [
      {
        id,
        job,
        tenant,
        pool,
        attempt,
        templateHash,
        gpuModel,
        gpusPerWorker,
        problems: [{ path: 'rendezvous', message: '9 is not known' }],
      },
    ];
    rig.hub.send({ kind: 'desired', desired: desired(1, 1), unreadable });
    await rig.clock.advanceAsync(100);
    expect(rig.hub.reports.at(-1)?.report.runs).toMatchObject([
      {
        id: { jobUid: jobUid('newer'), fence: fence(1) },
        phase: 'Ended',
        end: { outcome: 'Refused', cause: 'Unsupported', everStarted: false },
      },
    ]);
    expect(rig.keeper.desired).toHaveLength(1);
    // Made by a newer version and still running: that it could not be read anew does not end it.
    rig.keeper.held.add('newer/1');
    rig.keeper.setRuns([]);
    await rig.clock.advanceAsync(100);
    expect(rig.hub.reports.at(-1)?.report.runs).toEqual([]);
    rig.keeper.held.clear();
    rig.hub.send({ kind: 'desired', desired: desired(1, 1) });
    await rig.clock.advanceAsync(100);
    expect(rig.hub.reports.at(-1)?.report.runs).toHaveLength(1);
    rig.hub.send({ kind: 'desired', desired: desired(1, 2) });
    await rig.clock.advanceAsync(100);
    expect(rig.hub.reports.at(-1)?.report.runs).toEqual([]);
  });

  it('answers pings and takes trust updates without a new connection', async () => {
    const rig = await running();
    rig.hub.send({ kind: 'ping', nonce: 42 });
    rig.hub.send({ kind: 'trustUpdate', trustBundle: ['new'] });
    await rig.clock.advanceAsync(0);
    expect(rig.hub.received).toContainEqual({ kind: 'pong', nonce: 42 });
    expect(rig.trust).toEqual([['new']]);
    expect(rig.hubs).toHaveLength(1);
  });

  it('comes back after a lost connection with a higher epoch and the whole state', async () => {
    const rig = await running();
    rig.keeper.setRuns([aRunReport()]);
    await rig.clock.advanceAsync(100);
    const [first] = rig.hub.reports;
    rig.hub.ack(first);
    rig.hub.pair.sever();
    await rig.clock.advanceAsync(600);
    expect(rig.hubs).toHaveLength(2);
    const [again] = rig.hub.reports;
    expect(again?.report.epoch).toBeGreaterThan(first!.report.epoch);
    expect(again).toMatchObject({ inventoryOmitted: false, report: { sequence: 1, runs: [{ phase: 'Running' }] } });
    expect(rig.keeper.ended).toEqual([]);
  });

  it('backs off further and further while no hub answers, over all addresses, and recovers', async () => {
    const rig = await running({
      addresses: ['hub-a:1', 'hub-b:1'],
      onConnect: (hub, index) => {
        if (index < 12) hub.pair.sever();
        else hub.welcome();
      },
    });
    const times: number[] = [];
    let seen = rig.hubs.length;
    for (let ms = 0; ms < 400_000 && rig.hubs.length < 13; ms += 50) {
      await rig.clock.advanceAsync(50);
      if (rig.hubs.length > seen) {
        seen = rig.hubs.length;
        times.push(rig.clock.monotonicMs());
      }
    }
    const gaps = times.slice(1).map((at, i) => at - times[i]!);
    expect(gaps[0]).toBeLessThan(1100);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30_100);
    expect(gaps.at(-1)).toBeGreaterThanOrEqual(14_900);
    expect(new Set(rig.hubs.map((hub) => hub.address))).toEqual(new Set(['hub-a:1', 'hub-b:1']));
    expect(rig.session.connected).toBe(true);
  });

  it('goes from replica to replica until one leads', async () => {
    const rig = await running({
      addresses: ['a:1', 'b:1', 'c:1'],
      onConnect: (hub, index) => {
        if (index < 2) goodbye(hub, 'NotLeader', 500);
        else hub.welcome();
      },
    });
    await rig.clock.advanceAsync(600);
    expect(rig.hubs.map((hub) => hub.address)).toEqual(['a:1', 'b:1', 'c:1']);
    expect(rig.session.connected).toBe(true);
  });

  it('waits as long as the hub asks when it is not accepted', async () => {
    const rig = await running({
      onConnect: (hub) => {
        goodbye(hub, 'NotAccepted', 10_000);
      },
    });
    await rig.clock.advanceAsync(9900);
    expect(rig.hubs).toHaveLength(1);
    await rig.clock.advanceAsync(200);
    expect(rig.hubs).toHaveLength(2);
  });

  it('gives a hub up that stays silent behind an open connection', async () => {
    const rig = await running({
      onConnect: (hub, index) => {
        if (index === 0) hub.welcome();
      },
    });
    await rig.clock.advanceAsync(14_900);
    expect(rig.session.connected).toBe(true);
    await rig.clock.advanceAsync(200);
    expect(rig.session.connected).toBe(false);
    await rig.clock.advanceAsync(20_000);
    expect(rig.hubs.length).toBeGreaterThanOrEqual(2);
  });

  it('ends every guest and itself when the member was revoked', async () => {
    const rig = await running();
    rig.keeper.setRuns([aRunReport({ uid: 'a' }), aRunReport({ uid: 'b' }, { phase: 'Ended' })]);
    goodbye(rig.hub, 'Revoked');
    await rig.clock.advanceAsync(0);
    await expect(rig.session.finished).resolves.toMatchObject({ kind: 'Revoked' });
    expect(rig.keeper.ended).toMatchObject([{ cause: 'MemberRevoked', runs: [{ jobUid: 'a' }] }]);
    await rig.clock.advanceAsync(120_000);
    expect(rig.hubs).toHaveLength(1);
  });

  it('stops without touching guests when another agent took over', async () => {
    const rig = await running();
    rig.keeper.setRuns([aRunReport()]);
    goodbye(rig.hub, 'Superseded');
    await rig.clock.advanceAsync(0);
    await expect(rig.session.finished).resolves.toMatchObject({ kind: 'Superseded' });
    expect(rig.keeper.ended).toEqual([]);
  });

  it('replaces the connection under a renewed certificate before the old one ends, without a pause', async () => {
    const rig = await running();
    const endsMs = rig.clock.nowMs() + 3_600_000;
    rig.renewCertificate({ fingerprint: 'two', notAfterMs: endsMs + 3_600_000 });
    for (let i = 0; i < 719 && rig.hubs.length === 1; i += 1) {
      rig.hub.send({ kind: 'ping', nonce: i });
      await rig.clock.advanceAsync(5000);
    }
    expect(rig.hubs).toHaveLength(2);
    expect(rig.clock.nowMs()).toBeLessThan(endsMs);
    expect(rig.session.connected).toBe(true);
  });

  it('keeps the session though a fault of ours shows over one message', async () => {
    const rig = await running();
    rig.keeper.applyDesired = () => {
      throw new Error('a bug');
    };
    rig.hub.send({ kind: 'desired', desired: desired(1, 1) });
    await rig.clock.advanceAsync(5000);
    expect(rig.session.connected).toBe(true);
    expect(rig.hub.reports.length).toBeGreaterThanOrEqual(2);
  });

  it.each([
    [
      'anything before the welcome',
      (hub: HubEnd) => {
        hub.send({ kind: 'ping', nonce: 1 });
      },
    ],
    [
      'a second welcome',
      (hub: HubEnd) => {
        hub.welcome();
        hub.welcome();
      },
    ],
  ])('ends the session over %s', async (_what, act) => {
    const rig = await running({
      onConnect: (hub, index) => {
        if (index === 0) act(hub);
      },
    });
    await rig.clock.advanceAsync(0);
    expect(rig.hubs[0]?.closedByAgent).toBe(true);
  });

  it('stops at once when told, closing the stream', async () => {
    const rig = await running();
    await rig.session.stop();
    expect(rig.hub.closedByAgent).toBe(true);
    await expect(rig.session.finished).resolves.toEqual({ kind: 'Stopped' });
  });
});
