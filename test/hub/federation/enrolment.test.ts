import { createHash } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openAuthorityStore, type AuthorityStore } from '../../../src/hub/federation/authority-store.ts';
import {
  enrol,
  renewCertificate,
  type EnrolmentDeps,
  type EnrolmentRequest,
} from '../../../src/hub/federation/enrolment.ts';
import type { EnrolAnswer } from '../../../src/wire/enrolment-codec.ts';
import type { MemberCluster } from '../../../src/api/v1alpha1/member-cluster.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { createKeyAndCsr, type KeyAndCsr } from '../../../src/platform/pki/certificate-request.ts';
import { parseCertificate, verifyIssuedBy } from '../../../src/platform/pki/certificate.ts';
import { memberOfCertificate } from '../../../src/platform/pki/spiffe-id.ts';
import { FakeHubKube } from '../../support/fake-hub-kube.ts';
import { fakeObjects, FederationRig } from './federation-rig.ts';

const token = 'token-canary-0123456789';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hourMs = 3_600_000;
const wallMs = Date.UTC(2026, 0, 1);

let authority: AuthorityStore;
let north: KeyAndCsr;
let thief: KeyAndCsr;

beforeAll(async () => {
  const { client } = fakeObjects();
  const { logger } = new FederationRig();
  authority = await openAuthorityStore({
    client,
    namespace: 'lumbung-system',
    serverNames: { dnsNames: ['hub.example'], ipAddresses: [] },
    clock: new VirtualClock({ wallMs }),
    random: systemRandom(),
    logger,
  });
  authority.stop();
  north = await createKeyAndCsr({ commonName: 'north' });
  thief = await createKeyAndCsr({ commonName: 'north' });
});

class Joining {
  readonly clock = new VirtualClock({ wallMs });
  readonly kube = new FakeHubKube(this.clock);
  readonly rig = new FederationRig(this.clock);
  readonly deps: EnrolmentDeps = {
    client: this.kube.client,
    members: this.kube.stores.memberclusters,
    authority,
    trustDomain: 'lumbung.local',
    certificateValidityMs: 7 * 24 * hourMs,
    clock: this.clock,
    logger: this.rig.logger,
    metrics: this.rig.metrics,
  };

  invite(spec: Record<string, unknown> = {}, status?: Record<string, unknown>): this {
    const whole = {
      accepted: true,
      jurisdiction: 'ID',
      invite: { tokenSha256: sha256(token), expiresAt: '2026-01-01T12:00:00Z', rejoin: false },
      ...spec,
    };
    this.kube.put('memberclusters', {
      metadata: { name: 'north' },
      // What a test sets to undefined is absent, as in JSON.
      spec: JSON.parse(JSON.stringify(whole)),
      ...(status === undefined ? {} : { status }),
    });
    return this;
  }

  edit(change: (spec: Record<string, unknown>) => Record<string, unknown>): void {
    this.kube.edit('memberclusters', 'north', change);
  }

  get member(): MemberCluster {
    return this.kube.get('memberclusters', 'north') as unknown as MemberCluster;
  }

  ask(over: Partial<EnrolmentRequest> = {}): Promise<EnrolAnswer> {
    const request = {
      member: 'north',
      token,
      csrPem: north.csrPem,
      clusterUid: 'cluster-1',
      agentVersion: '1.0.0',
      jurisdiction: 'SG',
      address: '127.0.0.1:1',
    };
    return enrol({ ...request, ...over }, this.deps);
  }

  /** Asks until the answer is not "being recorded". */
  async redeem(over: Partial<EnrolmentRequest> = {}): Promise<EnrolAnswer> {
    const first = await this.ask(over);
    return first.kind === 'Pending' && first.retryAfterSeconds === 1 ? this.ask(over) : first;
  }

  count(result: string): Promise<number> {
    return this.rig.metric('lumbung_enrolments_total', `{result="${result}"}`);
  }
}

let joinings: Joining[] = [];
const joining = (): Joining => {
  const made = new Joining();
  joinings.push(made);
  return made;
};

afterEach(() => {
  // Whatever a test did: neither token nor key may have reached a log line.
  const lines = joinings.flatMap(({ rig }) => rig.logLines).join('\n');
  expect(lines).not.toContain(token);
  expect(lines).not.toMatch(/BEGIN|canary/);
  joinings = [];
});

const refused = { kind: 'Refused', message: expect.stringContaining('the invitation is not valid') as string };

describe('joining', () => {
  it('issues a certificate with the name, cluster and jurisdiction of the MemberCluster, not of the request', async () => {
    const join = joining().invite();
    const answer = await join.redeem({ jurisdiction: 'SG' });
    if (answer.kind !== 'Issued') return expect.unreachable(answer.message);
    const certificate = verifyIssuedBy(answer.certificatePem, answer.trustBundle.join(''), join.clock.nowMs());
    expect(memberOfCertificate(certificate, 'lumbung.local')).toEqual({
      trustDomain: 'lumbung.local',
      member: 'north',
      clusterUid: 'cluster-1',
      jurisdiction: 'ID',
    });
    expect(certificate.notAfterMs).toBe(join.clock.nowMs() + 7 * 24 * hourMs);
    expect(await join.count('Issued')).toBe(1);
  });

  it('never issues for longer than 30 days', async () => {
    const join = joining().invite();
    Object.assign(join.deps, { certificateValidityMs: 400 * 24 * hourMs });
    const answer = await join.redeem();
    if (answer.kind !== 'Issued') return expect.unreachable(answer.message);
    expect(parseCertificate(answer.certificatePem).notAfterMs).toBe(join.clock.nowMs() + 30 * 24 * hourMs);
  });

  it('binds the token to the key before it issues anything', async () => {
    const join = joining().invite();
    expect((await join.ask()).kind).toBe('Pending');
    expect(join.member.status?.invite?.usedBy).toMatch(/^[0-9a-f]{64}$/);
    expect(join.member.status?.clusterUid).toBe('cluster-1');
    expect(JSON.stringify(join.member)).not.toContain(token);
  });

  it('is idempotent for the same key, and writes nothing more', async () => {
    const join = joining().invite();
    await join.redeem();
    const writes = join.kube.calls.length;
    const again = await createKeyAndCsr({ commonName: 'north', keyPem: north.keyPem });
    expect((await join.ask({ csrPem: again.csrPem })).kind).toBe('Issued');
    expect(join.kube.calls).toHaveLength(writes);
  });

  it('waits for the pool operator and shows what the owner states', async () => {
    const join = joining().invite({ accepted: false, jurisdiction: undefined });
    const answer = await join.redeem({ jurisdiction: 'SG' });
    expect(answer).toMatchObject({
      kind: 'Pending',
      message: expect.stringContaining('member accept north') as string,
    });
    expect(join.member.status?.pendingRequest).toMatchObject({ jurisdiction: 'SG' });
    join.edit((spec) => ({ ...spec, accepted: true, jurisdiction: 'MY' }));
    const issued = await join.ask({ jurisdiction: 'SG' });
    if (issued.kind !== 'Issued') return expect.unreachable(issued.message);
    expect(memberOfCertificate(parseCertificate(issued.certificatePem), 'lumbung.local').jurisdiction).toBe('MY');
  });

  it('records no jurisdiction that is none', async () => {
    const join = joining().invite({ accepted: false });
    await join.redeem({ jurisdiction: 'Atlantis' });
    expect(join.member.status?.pendingRequest).not.toHaveProperty('jurisdiction');
  });

  it.each([
    ['an unknown member', 'UnknownMember', {}, { member: 'nobody' }],
    ['a wrong token', 'WrongToken', {}, { token: 'wrong' }],
    ['the hash of the token', 'WrongToken', {}, { token: sha256(token) }],
    ['a member without invitation', 'NotInvited', { invite: undefined }, {}],
    ['a revoked member', 'Revoked', { revoked: true }, {}],
  ] as const)('gives %s the one answer that tells nothing, and counts %s', async (_who, cause, spec, over) => {
    const join = joining().invite(spec);
    expect(await join.ask(over)).toEqual(refused);
    expect(await join.count(cause)).toBe(1);
    expect(join.kube.calls).toEqual([]);
    expect(join.rig.logLines.join('\n')).toContain(cause);
  });

  it('refuses a token that has ended, to the millisecond', async () => {
    const join = joining().invite();
    join.clock.advance(12 * hourMs - 1);
    expect((await join.ask()).kind).toBe('Pending');
    join.clock.advance(1);
    expect(await join.ask()).toEqual(refused);
    expect(await join.count('TokenEnded')).toBe(1);
  });

  it('refuses a used token to another key, with the same answer', async () => {
    const join = joining().invite();
    await join.redeem();
    expect(await join.ask({ csrPem: thief.csrPem })).toEqual(refused);
    expect(await join.count('TokenTaken')).toBe(1);
  });

  it('lets exactly one of two keys win when both redeem at once', async () => {
    const join = joining().invite();
    join.kube.holdWatch();
    await Promise.all([join.ask(), join.ask({ csrPem: thief.csrPem })]);
    join.kube.releaseWatch();
    const answers = [await join.ask(), await join.ask({ csrPem: thief.csrPem })];
    // Which of the two comes first is nobody's promise: both requests are checked at the same time.
    expect(answers.map((answer) => answer.kind).sort()).toEqual(['Issued', 'Refused']);
  });

  it.each([
    ['of an accepted member', true, false, 'Refused'],
    ['that may rejoin', false, true, 'Refused'],
    ['that was never accepted', false, false, 'Pending'],
  ])('treats another cluster under the name %s as it should', async (_what, accepted, rejoin, kind) => {
    const invite = { tokenSha256: sha256(token), expiresAt: '2026-01-01T12:00:00Z', rejoin };
    const join = joining().invite({ accepted, invite }, { clusterUid: 'cluster-of-before' });
    expect((await join.redeem()).kind).toBe(kind);
    expect(await join.count('OtherCluster')).toBe(kind === 'Refused' ? 1 : 0);
  });

  it('does not let one token move from cluster to cluster, even with the right key', async () => {
    const join = joining().invite({ accepted: false });
    await join.redeem();
    expect(await join.ask({ clusterUid: 'cluster-2' })).toEqual(refused);
    expect(join.member.status?.clusterUid).toBe('cluster-1');
  });

  it('lets a member with a lapsed certificate in again under a new invitation, with a new key', async () => {
    const join = joining().invite({}, { clusterUid: 'cluster-1' });
    const rejoin = { tokenSha256: sha256('another'), expiresAt: '2026-01-01T12:00:00Z', rejoin: true };
    join.edit((spec) => ({ ...spec, invite: rejoin }));
    expect((await join.redeem({ token: 'another', csrPem: thief.csrPem })).kind).toBe('Issued');
    expect(await join.ask()).toEqual(refused);
  });

  it.each([
    ['text that is no request', () => 'not a pem'],
    ['a request that was tampered with', () => tampered(north.csrPem)],
    ['a request of the size of a book', () => 'x'.repeat(20_000)],
  ])('refuses %s and says so', async (_what, csrPem) => {
    const join = joining().invite();
    const answer = await join.ask({ csrPem: csrPem() });
    expect(answer).toMatchObject({
      kind: 'Refused',
      message: expect.stringMatching(/^certificate request: /) as string,
    });
    expect(await join.count('BadRequest')).toBe(1);
    expect(join.kube.calls).toEqual([]);
  });

  it('passes on what the API server fails with, so that the caller tries again', async () => {
    const join = joining().invite();
    join.kube.beforeCall = () => {
      throw new Error('the server is down');
    };
    await expect(join.ask()).rejects.toThrow('the server is down');
    join.kube.beforeCall = () => undefined;
    expect((await join.redeem()).kind).toBe('Issued');
  });
});

describe('renewing', () => {
  const peer = { trustDomain: 'lumbung.local', member: 'north', clusterUid: 'cluster-1', jurisdiction: 'ID' };

  it('issues the same identity for a new key', async () => {
    const join = joining().invite({}, { clusterUid: 'cluster-1' });
    const answer = await renewCertificate(peer, thief.csrPem, join.deps);
    if (answer.kind !== 'Issued') return expect.unreachable(answer.message);
    expect(memberOfCertificate(parseCertificate(answer.certificatePem), 'lumbung.local')).toEqual(peer);
    expect(await join.count('Renewed')).toBe(1);
  });

  it.each([
    ['revoked', { revoked: true }, 'cluster-1'],
    ['not accepted any more', { accepted: false }, 'cluster-1'],
    ['accepted for another jurisdiction', { jurisdiction: 'SG' }, 'cluster-1'],
    ['another cluster by now', {}, 'cluster-2'],
  ])('refuses a member that is %s', async (_what, spec, clusterUid) => {
    const join = joining().invite(spec, { clusterUid });
    expect((await renewCertificate(peer, north.csrPem, join.deps)).kind).toBe('Refused');
    expect(await join.count('RenewalRefused')).toBe(1);
  });

  it('refuses a member that is gone, and a request that is none', async () => {
    const join = joining();
    expect((await renewCertificate(peer, north.csrPem, join.deps)).kind).toBe('Refused');
    join.invite();
    expect(await renewCertificate(peer, tampered(north.csrPem), join.deps)).toMatchObject({
      kind: 'Refused',
      message: expect.stringMatching(/^certificate request/) as string,
    });
  });
});

/** One bit of the signature is another. */
function tampered(csrPem: string): string {
  const der = Buffer.from(csrPem.replace(/-----[^-]+-----/g, ''), 'base64');
  der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}
