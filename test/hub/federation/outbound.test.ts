import { describe, expect, it } from 'vitest';
import type { RunOrder } from '../../../src/core/model/run.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createSealingKey, createSealer } from '../../../src/platform/pki/sealing.ts';
import { encodeHubMessage } from '../../../src/wire/hub-message-codec.ts';
import { anOrder } from '../../support/agent-builders.ts';
import { FederationRig, memberA, sealingPublicKey, settle, type Agent } from './federation-rig.ts';

function orders(...runs: readonly RunOrder[]): FederationRig['fleet']['content'] {
  return { runs, cancels: [], outcomeAcks: [], goneJobUids: [], cordoned: false };
}

function withSecret(uid: string, name: string): RunOrder {
  return anOrder({ uid, podSpec: { containers: [{ name: 'main', image: 'x', envFrom: [{ secretRef: { name } }] }] } });
}

const secretNamed = (name: string, value: string): KubeObject =>
  ({
    metadata: { name, namespace: 'team-a' },
    type: 'Opaque',
    data: { key: Buffer.from(value).toString('base64') },
  }) as KubeObject;

const sentRuns = (agent: Agent): readonly string[] | undefined =>
  agent
    .of('desired')
    .at(-1)
    ?.desired.runs.map((run) => run.id.jobUid);

describe('the outbound side', () => {
  it('sends the whole content with a generation of this incarnation and term that rises with each message', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.fleet.content = { ...orders(anOrder({ uid: 'job-1' })), cordoned: true };
    rig.outbound.push(memberA);
    await settle();
    const desired = agent.of('desired').map((message) => message.desired);
    expect(desired.map(({ generation }) => generation)).toEqual([
      { incarnation: 'incarnation-1', term: 7, counter: 1 },
      { incarnation: 'incarnation-1', term: 7, counter: 2 },
    ]);
    expect(desired[1]).toMatchObject({ cordoned: true, runs: [{ id: { jobUid: 'job-1' } }] });
  });

  it('makes of many changes at once one computation more, and shows the newest', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const asked = rig.fleet.desiredAsked;
    for (let change = 1; change <= 100; change += 1) {
      rig.fleet.content = orders(anOrder({ uid: `job-${change}` }));
      rig.outbound.push(memberA);
    }
    await settle();
    expect(rig.fleet.desiredAsked - asked).toBeLessThanOrEqual(2);
    expect(sentRuns(agent)).toEqual(['job-100']);
  });

  it('does not order what was called off while references were being read', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.kube.objects.set('secrets/team-a/key', secretNamed('key', 'v'));
    let release = (): void => undefined;
    const read = rig.kube.client.get.bind(rig.kube.client);
    const slow = new Promise<void>((resolve) => (release = resolve));
    Object.assign(rig.kube.client, { get: (...[ref]: Parameters<typeof read>) => slow.then(() => read(ref)) });
    const [released, kept] = [withSecret('released', 'key'), anOrder({ uid: 'kept' })];
    rig.fleet.content = orders(released, kept);
    rig.outbound.push(memberA);
    await settle();
    rig.fleet.content = orders(kept);
    rig.outbound.push(memberA);
    await settle();
    release();
    await settle();
    const said = agent.of('desired').flatMap(({ desired }) => desired.runs.map((run) => run.id.jobUid));
    expect(said).toContain('kept');
    expect(said).not.toContain('released');
  });

  it('keeps no attachments of runs that ended while their member was away', async () => {
    const rig = new FederationRig();
    const key = sealingPublicKey();
    const agent = await rig.connect({ sealingPublicKey: key });
    rig.kube.objects.set('secrets/team-a/key', secretNamed('key', 'v'));
    rig.fleet.content = orders(withSecret('job-1', 'key'));
    rig.outbound.push(memberA);
    await settle();
    agent.pair.a.close();
    await settle();
    rig.fleet.content = orders();
    rig.outbound.push(memberA);
    await settle();
    rig.fleet.content = orders(withSecret('job-1', 'key'));
    await rig.connect({ epoch: 2, sealingPublicKey: key });
    expect(rig.kube.calls.filter((call) => call === 'get secrets/team-a/key')).toHaveLength(2);
  });

  it('sends nothing before the fleet is ready, nor without provable leadership, nor to nobody', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const sent = agent.of('desired').length;
    rig.fleet.ready = false;
    rig.outbound.push(memberA);
    await settle();
    rig.fleet.ready = true;
    rig.leadership.provably = false;
    rig.outbound.push(memberA);
    await settle();
    expect(agent.of('desired')).toHaveLength(sent);
    const asked = rig.fleet.desiredAsked;
    rig.outbound.push('member-of-nobody' as typeof memberA);
    await settle();
    expect(rig.fleet.desiredAsked).toBe(asked);
  });

  it('leaves out a run whose references are missing, tells the fleet, and holds up no other', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    rig.fleet.content = orders(anOrder({ uid: 'a' }), withSecret('b', 'missing'), anOrder({ uid: 'c' }));
    rig.outbound.push(memberA);
    await settle();
    expect(sentRuns(agent)).toEqual(['a', 'c']);
    expect(rig.fleet.problems).toHaveLength(1);
    expect(rig.fleet.problems[0]).toMatchObject({ run: { jobUid: 'b' } });
    expect(rig.fleet.problems[0]?.message).toContain('Secret team-a/missing');
  });

  it('sends a run later whose references cannot be read now, and the others at once', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    const agent = await rig.connect();
    rig.kube.objects.set('secrets/team-a/creds', new KubeError({ status: 500, reason: 'InternalError', message: 'x' }));
    rig.fleet.content = orders(anOrder({ uid: 'a' }), withSecret('b', 'creds'));
    rig.outbound.push(memberA);
    await settle();
    expect(sentRuns(agent)).toEqual(['a']);
    expect(rig.fleet.problems).toEqual([]);
    rig.kube.objects.set('secrets/team-a/creds', secretNamed('creds', 'v'));
    await clock.advanceAsync(2_100);
    await settle();
    expect(sentRuns(agent)).toEqual(['a', 'b']);
  });

  it('tries again when the content cannot be made', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    const agent = await rig.connect();
    const sent = agent.of('desired').length;
    const desired = rig.fleet.desired.bind(rig.fleet);
    rig.fleet.desired = () => {
      throw new Error('one bad object');
    };
    rig.outbound.push(memberA);
    await settle();
    expect(agent.of('desired')).toHaveLength(sent);
    rig.fleet.desired = desired;
    await clock.advanceAsync(2_100);
    await settle();
    expect(agent.of('desired')).toHaveLength(sent + 1);
  });

  it('keeps a message within what an agent takes', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const big = (uid: string): RunOrder => anOrder({ uid, podSpec: { note: 'x'.repeat(5 * 1024 * 1024) } });
    rig.fleet.content = { ...orders(big('a'), big('b'), big('c'), anOrder({ uid: 'd' })), cordoned: true };
    rig.outbound.push(memberA);
    await settle();
    expect(sentRuns(agent)).toEqual(['a', 'b', 'd']);
    const message = agent.of('desired').at(-1);
    expect(message === undefined ? 0 : encodeHubMessage(message).byteLength).toBeLessThan(16 * 1024 * 1024);
    expect(rig.logLines.join('\n')).toContain('exceed one message');
    rig.fleet.content = orders(big('c'));
    rig.outbound.push(memberA);
    await settle();
    expect(sentRuns(agent)).toEqual(['c']);
  });

  it('shows a secret to nobody but the member: not in a byte that is sent, not in a line that is logged', async () => {
    const rig = new FederationRig();
    const key = createSealingKey();
    const agent = await rig.connect({ sealingPublicKey: key.publicKey });
    const canary = 'canary-5f1c0e';
    rig.kube.objects.set('secrets/team-a/creds', secretNamed('creds', canary));
    rig.fleet.content = orders(withSecret('a', 'creds'), withSecret('b', 'missing'));
    rig.outbound.push(memberA);
    await settle();
    const bytes = Buffer.concat(agent.heard.map((message) => encodeHubMessage(message))).toString('latin1');
    const everywhere = [bytes, ...rig.logLines, await rig.registry.expose(), JSON.stringify(rig.fleet.problems)].join(
      '',
    );
    for (const form of [canary, Buffer.from(canary).toString('base64'), Buffer.from(canary).toString('hex')]) {
      expect(everywhere).not.toContain(form);
    }
    const [attachment] = agent.of('desired').at(-1)?.desired.runs[0]?.attachments ?? [];
    const opened = createSealer(key.privateKeyPem).open(attachment?.sealed ?? new Uint8Array());
    expect(Buffer.from(opened).toString()).toContain(Buffer.from(canary).toString('base64'));
  });
});
