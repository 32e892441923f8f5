import { describe, expect, it } from 'vitest';
import { fence, jobUid, jurisdiction } from '../../../src/core/model/ids.ts';
import { reviewSession } from '../../../src/hub/federation/admission-watch.ts';
import { serveSession } from '../../../src/hub/federation/session.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair } from '../../../src/platform/grpc/memory-stream.ts';
import type { AgentMessage, HubMessage } from '../../../src/wire/session-messages.ts';
import { aNode } from '../../support/core-builders.ts';
import { aHello, aPeer, clusterA, FederationRig, memberA, reporting, settle } from './federation-rig.ts';

describe('opening a session', () => {
  it('welcomes an accepted member with the terms of this hub, and sends its desired state', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect({ epoch: 3 });
    expect(agent.heard.map((message) => message.kind)).toEqual(['welcome', 'desired']);
    expect(agent.of('welcome')[0]?.welcome).toMatchObject({
      hubVersion: '1.2.3',
      incarnation: 'incarnation-1',
      term: 7,
      reportIntervalMs: 5_000,
    });
    expect(rig.fleet.sessions).toMatchObject([{ member: memberA, facts: { epoch: 3, agentVersion: '1.0.0' } }]);
    expect(rig.openCounts).toEqual([1]);
  });

  it.each([
    ['a member that is not known', 'Unknown', 'NotAccepted'],
    ['a member that is not accepted', 'NotAccepted', 'NotAccepted'],
    ['a revoked member', 'Revoked', 'Revoked'],
  ] as const)('refuses %s at the door, before it has said a word', async (_who, kind, reason) => {
    const rig = new FederationRig();
    rig.fleet.admissions.set(memberA, { kind });
    const agent = rig.dial();
    await settle();
    expect(agent.goodbye()).toMatchObject({ reason });
    await expect(agent.pair.a.closed).resolves.toEqual({ kind: 'ended' });
    expect(await rig.refused(reason)).toBe(1);
    expect(rig.fleet.sessions).toEqual([]);
  });

  it.each([
    ['another cluster', { clusterUid: 'cluster-of-a-thief' }],
    ['another jurisdiction', { jurisdiction: 'SG' }],
    ['another member', { member: 'member-b' }],
  ])('refuses a certificate of %s', async (_what, id) => {
    const rig = new FederationRig();
    const agent = rig.dial(aPeer(id));
    await settle();
    expect(agent.goodbye()?.reason).toBe('NotAccepted');
    expect(rig.fleet.sessions).toEqual([]);
  });

  it('hears a member that was declared lost, so that its runs can be cancelled', async () => {
    const rig = new FederationRig();
    const since = '2026-01-01T00:00:00Z';
    const lost = { kind: 'DeclaredLost', since, clusterUid: clusterA, jurisdiction: jurisdiction('ID') } as const;
    rig.fleet.admissions.set(memberA, lost);
    expect((await rig.connect()).of('welcome')).toHaveLength(1);
    const thief = rig.dial(aPeer({ clusterUid: 'cluster-of-a-thief' }));
    await settle();
    expect(thief.goodbye()?.reason).toBe('NotAccepted');
  });

  it.each([
    ['does not lead', (rig: FederationRig) => (rig.leadership.provably = false)],
    ['has not synced', (rig: FederationRig) => (rig.fleet.ready = false)],
  ])('a replica that %s sends the agent to another one', async (_what, hinder) => {
    const rig = new FederationRig();
    hinder(rig);
    const agent = rig.dial();
    await settle();
    expect(agent.goodbye()).toMatchObject({ reason: 'NotLeader', retryAfterMs: 500 });
  });

  it('wants a hello first', async () => {
    const rig = new FederationRig();
    const agent = rig.dial();
    agent.say(reporting());
    await settle();
    expect(agent.goodbye()?.reason).toBe('Malformed');
    expect(rig.fleet.reports).toEqual([]);
    expect(await rig.refused('Malformed')).toBe(1);
  });

  it('closes a stream on which nobody says hello within 10 s', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    const agent = rig.dial();
    await clock.advanceAsync(9_900);
    expect(agent.heard).toEqual([]);
    await clock.advanceAsync(200);
    await expect(agent.pair.a.closed).resolves.toMatchObject({ kind: 'failed', code: 'DEADLINE_EXCEEDED' });
    await agent.served;
    expect(await rig.refused('HelloTimeout')).toBe(1);
    expect(await rig.refused('Malformed')).toBe(0);
  });

  it.each([
    {
      why: 'revoked',
      reason: 'Revoked',
      change: (rig: FederationRig) => rig.fleet.admissions.set(memberA, { kind: 'Revoked' }),
    },
    {
      why: 'moved to another leader',
      reason: 'NotLeader',
      change: (rig: FederationRig) => (rig.leadership.provably = false),
    },
  ])('takes no hello of a member that was $why while its stream was already open', async ({ reason, change }) => {
    const rig = new FederationRig();
    const agent = rig.dial();
    await settle();
    change(rig);
    agent.say({ kind: 'hello', hello: aHello() });
    agent.say(reporting());
    await settle();
    expect(agent.goodbye()).toMatchObject({ reason });
    expect(rig.fleet.sessions).toEqual([]);
    expect(rig.fleet.reports).toEqual([]);
  });

  it('refuses a hello that names another cluster than the certificate', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect({ clusterUid: 'another' });
    expect(agent.goodbye()).toMatchObject({ reason: 'Malformed' });
    expect(rig.fleet.sessions).toEqual([]);
  });

  it('refuses a protocol that it does not speak', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect({ protocolVersion: 99, oldestProtocolVersion: 99 });
    expect(agent.goodbye()?.reason).toBe('UnsupportedVersion');
  });

  it('refuses a second hello', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    agent.say({ kind: 'hello', hello: aHello({ epoch: 9 }) });
    await settle();
    expect(agent.goodbye()?.reason).toBe('Malformed');
    expect(rig.fleet.sessions).toHaveLength(1);
    expect(rig.sessions.get(memberA)).toBeUndefined();
  });
});

describe('two sessions of one member', () => {
  it('refuses a lower epoch and leaves the newer session alone', async () => {
    const rig = new FederationRig();
    const newer = await rig.connect({ epoch: 5 });
    const older = await rig.connect({ epoch: 4 });
    expect(older.goodbye()).toMatchObject({ reason: 'Superseded' });
    expect(rig.sessions.get(memberA)?.epoch).toBe(5);
    expect(newer.goodbye()).toBeUndefined();
  });

  it('ends the older one, whose late end does not touch the newer one', async () => {
    const rig = new FederationRig();
    const older = await rig.connect({ epoch: 1 });
    const newer = await rig.connect({ epoch: 2 });
    expect(older.goodbye()?.reason).toBe('Superseded');
    older.pair.sever();
    await older.served;
    await settle();
    expect(rig.sessions.get(memberA)?.epoch).toBe(2);
    expect(rig.fleet.closed.every(({ epoch }) => epoch === 1)).toBe(true);
    newer.say(reporting({ epoch: 2 }));
    await settle();
    expect(newer.of('reportAck')).toHaveLength(1);
    expect(rig.openCounts.at(-1)).toBe(1);
  });

  it('takes no report of a superseded session, even while its stream is still open', async () => {
    const rig = new FederationRig();
    const older = await rig.connect({ epoch: 1 });
    await rig.connect({ epoch: 2 });
    older.say(reporting());
    await settle();
    expect(rig.fleet.reports).toEqual([]);
    expect(older.of('reportAck')).toEqual([]);
  });
});

describe('ending a session', () => {
  it('revokes an open stream at once: nothing more is taken from it or sent on it', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.fleet.admissions.set(memberA, { kind: 'Revoked' });
    agent.say(reporting());
    reviewSession(memberA, rig);
    await settle();
    expect(agent.goodbye()).toMatchObject({ reason: 'Revoked' });
    expect(rig.fleet.reports).toEqual([]);
    expect(rig.sessions.get(memberA)).toBeUndefined();
    expect(rig.fleet.closed).toContainEqual({ member: memberA, epoch: 1 });
    expect(await rig.refused('Revoked')).toBe(1);
    const desired = agent.of('desired').length;
    rig.outbound.push(memberA);
    await settle();
    expect(agent.of('desired')).toHaveLength(desired);
  });

  it('takes nothing more from a revoked member that does not read its goodbye', async () => {
    const rig = new FederationRig();
    const pair = memoryStreamPair<AgentMessage, HubMessage>();
    const served = serveSession(pair.b, aPeer(), rig.deps);
    pair.a.send({ kind: 'hello', hello: aHello() });
    await settle();
    const session = rig.sessions.get(memberA);
    for (let nonce = 0; nonce < 40; nonce += 1) session?.send({ kind: 'ping', nonce });
    await settle();
    session?.end('Revoked', 'member-a was revoked', 60_000);
    pair.a.send(reporting());
    await settle();
    expect(pair.b.queued).toBeGreaterThan(0);
    expect(rig.fleet.reports).toEqual([]);
    await served;
  });

  it.each([
    ['is not accepted any more', { kind: 'NotAccepted' }, 'NotAccepted'],
    ['is gone', { kind: 'Unknown' }, 'NotAccepted'],
    [
      'is accepted elsewhere',
      { kind: 'Accepted', clusterUid: clusterA, jurisdiction: jurisdiction('SG') },
      'NotAccepted',
    ],
  ] as const)('ends the session of a member that %s', async (_what, admission, reason) => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.fleet.admissions.set(memberA, admission);
    reviewSession(memberA, rig);
    await settle();
    expect(agent.goodbye()?.reason).toBe(reason);
  });

  it('goes on when a review finds nothing wrong', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    reviewSession(memberA, rig);
    await settle();
    expect(agent.goodbye()).toBeUndefined();
  });

  it('does not outlive the certificate that opened it', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    const agent = await rig.connect({}, aPeer({}, { certificateNotAfterMs: clock.nowMs() + 60_000 }));
    agent.say(reporting());
    await settle();
    expect(agent.of('reportAck')).toHaveLength(1);
    await clock.advanceAsync(60_000);
    agent.say(reporting({ sequence: 2 }));
    await settle();
    expect(agent.goodbye()).toMatchObject({ reason: 'Draining' });
    expect(rig.fleet.reports).toHaveLength(1);
    expect(await rig.refused('CertificateExpired')).toBe(1);
  });

  it('tells everybody when the hub no longer leads', async () => {
    const rig = new FederationRig();
    rig.fleet.accept('member-b', 'cluster-b');
    const a = await rig.connect();
    const b = await rig.connect({ clusterUid: 'cluster-b' }, aPeer({ member: 'member-b', clusterUid: 'cluster-b' }));
    rig.sessions.endAll('NotLeader', 'this hub replica no longer leads', 500);
    await settle();
    expect([a, b].map((agent) => agent.goodbye()?.reason)).toEqual(['NotLeader', 'NotLeader']);
    expect(rig.sessions.all()).toEqual([]);
  });

  it('is over when the connection is lost', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    agent.pair.sever();
    await agent.served;
    expect(rig.sessions.get(memberA)).toBeUndefined();
    expect(rig.fleet.closed).toEqual([{ member: memberA, epoch: 1 }]);
    expect(rig.openCounts).toEqual([1, 0]);
  });
});

describe('reports', () => {
  it('are acknowledged as leases once they are in the state', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect({ epoch: 4 });
    agent.say(reporting({ epoch: 4, sequence: 9 }));
    await settle();
    expect(agent.of('reportAck')).toEqual([{ kind: 'reportAck', epoch: 4, sequence: 9, inventoryKnown: true }]);
  });

  it('count for the epoch of the session, whatever they claim', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect({ epoch: 4 });
    agent.say(reporting({ epoch: 400 }));
    await settle();
    expect(rig.fleet.reports.map(({ report }) => report.epoch)).toEqual([4]);
  });

  it('are not acknowledged when out of order', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.fleet.verdict = { kind: 'stale' };
    agent.say(reporting());
    await settle();
    expect(agent.of('reportAck')).toEqual([]);
    expect(await rig.metric('lumbung_federation_reports_total', '{verdict="stale"}')).toBe(1);
  });

  it('are neither taken nor acknowledged once the hub cannot prove that it leads', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.leadership.provably = false;
    agent.say(reporting());
    await settle();
    expect(rig.fleet.reports).toEqual([]);
    expect(agent.of('reportAck')).toEqual([]);
    expect(agent.goodbye()?.reason).toBe('NotLeader');
  });

  it('count runs that were never issued to the member, and take the rest', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const foreign = [1, 2].map((number) => ({ jobUid: jobUid('job-of-others'), fence: fence(number) }));
    rig.fleet.verdict = { kind: 'appliedInPart', foreignRuns: foreign };
    agent.say(reporting());
    await settle();
    expect(agent.of('reportAck')).toHaveLength(1);
    expect(await rig.refused('ForeignRuns')).toBe(2);
    expect(rig.logLines.join('\n')).toContain('never issued to this member');
  });

  it('may leave out an inventory that this session has seen', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const offers = [aNode({ name: 'node-1' })];
    agent.say(reporting({ offers, sequence: 1 }, 'h1'));
    agent.say(reporting({ sequence: 2 }, 'h1', true));
    await settle();
    expect(rig.fleet.reports.map(({ report }) => report.offers)).toEqual([offers, offers]);
    expect(agent.of('reportAck').map(({ sequence, inventoryKnown }) => [sequence, inventoryKnown])).toEqual([
      [1, true],
      [2, true],
    ]);
  });

  it('that refer to an unknown inventory are no lease ack but a question for it', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    agent.say(reporting({ sequence: 1 }, 'h1', true));
    agent.say(reporting({ sequence: 2 }, 'h2'));
    agent.say(reporting({ sequence: 3 }, 'h1', true));
    await settle();
    expect(rig.fleet.reports.map(({ report }) => report.sequence)).toEqual([2]);
    expect(agent.of('reportAck').map(({ sequence, inventoryKnown }) => [sequence, inventoryKnown])).toEqual([
      [1, false],
      [2, true],
      [3, false],
    ]);
  });

  it('of an earlier session do not lend their inventory to the next', async () => {
    const rig = new FederationRig();
    const first = await rig.connect({ epoch: 1 });
    first.say(reporting({}, 'h1'));
    await settle();
    const second = await rig.connect({ epoch: 2 });
    second.say(reporting({ epoch: 2 }, 'h1', true));
    await settle();
    expect(second.of('reportAck')).toMatchObject([{ inventoryKnown: false }]);
  });
});
