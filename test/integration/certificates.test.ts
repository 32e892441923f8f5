import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGrpcEnrolment } from '../../src/agent/enrolment/grpc-enrolment.ts';
import type { FederationConnection } from '../../src/agent/session/federation-link.ts';
import { createGrpcLink } from '../../src/agent/session/grpc-link.ts';
import { clusterUid } from '../../src/core/model/ids.ts';
import type { MemberReport } from '../../src/core/model/member.ts';
import type { RunReport } from '../../src/core/model/run.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { secrets } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { createAuthority, loadAuthority, type Authority } from '../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../src/platform/pki/certificate-request.ts';
import { parseCertificate } from '../../src/platform/pki/certificate.ts';
import { formatMemberSpiffeId, type MemberSpiffeId } from '../../src/platform/pki/spiffe-id.ts';
import type { EnrolAnswer } from '../../src/wire/enrolment-codec.ts';
import type { HubMessage } from '../../src/wire/session-messages.ts';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  SYSTEM_NAMESPACE,
  aJob,
  aPool,
  isRunning,
  namespace,
} from '../support/in-process-federation.ts';

const HOUR_MS = 3_600_000;
const deps = { clock: systemClock(), random: systemRandom() };

let federation: InProcessFederation;
let authority: Authority;
beforeAll(async () => {
  federation = await InProcessFederation.start({
    // Shorter than the setting allows, so that a renewal is seen: at half of it, 3 s after joining.
    hubConfig: { certificateValidity: 6_000 },
    members: [{ name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 2 }] }],
  });
  await federation.apply(namespace('team-a'), aPool({ name: 'research', tenants: { 'team-a': 1 } }));
  const { data = {} } = await federation.hub.client.get<KubeObject & { readonly data?: Record<string, string> }>({
    type: secrets,
    namespace: SYSTEM_NAMESPACE,
    name: 'lumbung-hub-ca',
  });
  const pem = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  authority = await loadAuthority({ certificatePem: pem('tls.crt'), keyPem: pem('tls.key') }, deps);
});
afterAll(() => federation.stop());

async function northId(): Promise<MemberSpiffeId> {
  const { clusterUid: uid = '' } = await federation.memberStatus('north');
  return { trustDomain: 'lumbung.dev', member: 'north', clusterUid: uid, jurisdiction: 'ID' };
}

interface Impostor {
  readonly id: MemberSpiffeId;
  readonly by?: Authority;
  readonly validityMs?: number;
}

async function connectAs({ id, by = authority, validityMs = HOUR_MS }: Impostor): Promise<FederationConnection> {
  const { keyPem, csrPem } = await createKeyAndCsr({ commonName: id.member });
  const { publicKeySpki } = await verifyCsr(csrPem);
  const certificatePem = await by.issueClientCertificate({
    publicKeySpki,
    commonName: id.member,
    spiffeUri: formatMemberSpiffeId(id),
    validityMs,
  });
  const { fingerprint, notAfterMs } = parseCertificate(certificatePem);
  const identity = { certificatePem, keyPem, trustBundlePem: authority.certificatePem, fingerprint, notAfterMs };
  return createGrpcLink({ identity: () => identity }).connect(`localhost:${federation.hubApp.ports.federation}`);
}

function sayHello(connection: FederationConnection, uid: string, epoch: number): void {
  connection.session.send({
    kind: 'hello',
    hello: {
      protocolVersion: 1,
      oldestProtocolVersion: 1,
      clusterUid: uid,
      epoch,
      agentVersion: '0',
      kubernetesVersion: 'v1',
      sealingPublicKey: new Uint8Array(32).fill(9),
    },
  });
}

/** What the hub says until the stream is over, at most so many messages. */
async function answersOf(connection: FederationConnection, most = 10): Promise<readonly HubMessage[]> {
  const seen: HubMessage[] = [];
  for await (const message of connection.session.incoming) {
    seen.push(message);
    if (seen.length >= most) break;
  }
  return seen;
}

async function count(family: string, labels: string): Promise<number> {
  const page = await federation.hub.metrics.expose();
  return Number(new RegExp(`^${family}\\{${labels}\\} (\\S+)$`, 'm').exec(page)?.[1] ?? 0);
}

const refusals = (reason: string): Promise<number> => count('lumbung_federation_refusals_total', `reason="${reason}"`);

describe('a stream to the hub', () => {
  it.each([
    ['a foreign authority', 'UntrustedCertificate'],
    ['an expired certificate', 'CertificateExpired'],
  ])('with %s is refused, counted and logged, and touches nothing', async (which, reason) => {
    const before = await refusals(reason);
    const id = await northId();
    const foreign = await createAuthority({ commonName: 'Lumbung hub', validityMs: HOUR_MS }, deps);
    const past = { ...deps, clock: { nowMs: () => Date.now() - HOUR_MS } };
    const expired = await loadAuthority({ certificatePem: authority.certificatePem, keyPem: authority.keyPem }, past);
    const connection = await connectAs(
      which === 'a foreign authority' ? { id, by: foreign } : { id, by: expired, validityMs: 60_000 },
    );
    sayHello(connection, id.clusterUid, 2 ** 40);
    expect(await answersOf(connection)).toEqual([]);
    expect(await connection.session.closed).toMatchObject({ kind: 'failed' });
    connection.close();
    await eventually(async () => (await refusals(reason)) > before, { what: `the refusal is counted as ${reason}` });
    expect(federation.hub.log.some((line) => line.startsWith('warn') && line.includes(reason))).toBe(true);
    expect((await federation.memberStatus('north')).epoch ?? 0).toBeLessThan(2 ** 40);
    expect(federation.member('north').agent.connected).toBe(true);
  });

  it.each([
    ['another cluster', { clusterUid: 'another-cluster' }],
    ['another jurisdiction', { jurisdiction: 'SG' }],
    ['a member that nobody invited', { member: 'stranger' }],
  ])('whose certificate names %s is told that it is not accepted', async (_which, other) => {
    const before = await refusals('NotAccepted');
    const id = { ...(await northId()), ...other };
    const connection = await connectAs({ id });
    sayHello(connection, id.clusterUid, 2 ** 40);
    expect(await answersOf(connection)).toMatchObject([{ kind: 'goodbye', reason: 'NotAccepted' }]);
    connection.close();
    expect(await refusals('NotAccepted')).toBe(before + 1);
    expect(federation.member('north').agent.connected).toBe(true);
  });

  it('of a lower epoch is refused and does not touch the newer one', async () => {
    const id = await northId();
    const connection = await connectAs({ id });
    sayHello(connection, id.clusterUid, 1);
    expect(await answersOf(connection)).toMatchObject([{ kind: 'goodbye', reason: 'Superseded' }]);
    connection.close();
    expect(federation.member('north').agent.connected).toBe(true);
  });
});

describe('joining', () => {
  const port = () => createGrpcEnrolment({ address: `localhost:${federation.hubApp.ports.enrolment}`, ...deps });

  async function enrol(
    member: string,
    token: string,
    csrPem: string,
    uid = `cluster-of-${member}`,
  ): Promise<EnrolAnswer> {
    const request = {
      member,
      token,
      csrPem,
      clusterUid: uid,
      agentVersion: '0',
      jurisdiction: 'ID',
      protocolVersion: 1,
    };
    return port().enrol(request, authority.certificatePem, new AbortController().signal);
  }

  async function invite(member: string): Promise<string> {
    const printed = await federation.lumbung('member', 'invite', member, '--jurisdiction', 'ID', '-o', 'json');
    return (JSON.parse(printed) as { readonly token: string }).token;
  }

  async function issued(member: string, token: string, csrPem: string): Promise<string> {
    return eventually(
      async () => {
        const answer = await enrol(member, token, csrPem);
        return answer.kind === 'Issued' ? answer.certificatePem : undefined;
      },
      { what: `${member} is let in` },
    );
  }

  it('with a token that another key has used, a wrong or an ended one gets one answer for all', async () => {
    const token = await invite('joiner');
    await federation.lumbung('member', 'accept', 'joiner');
    const first = await createKeyAndCsr({ commonName: 'joiner' });
    await issued('joiner', token, first.csrPem);
    // The same key may ask again: an answer can get lost.
    await issued('joiner', token, first.csrPem);
    const thief = await createKeyAndCsr({ commonName: 'joiner' });
    const taken = await enrol('joiner', token, thief.csrPem);
    const wrong = await enrol('joiner', `${token}x`, thief.csrPem);
    const nobody = await enrol('nobody', token, thief.csrPem);
    await federation.hub.client.mergePatch(
      { type: MEMBER_CLUSTER_RESOURCE, name: 'joiner' },
      { spec: { invite: { expiresAt: '2020-01-01T00:00:00Z' } } },
    );
    const ended = await eventually(
      async () => {
        const answer = await enrol('joiner', token, first.csrPem);
        return answer.kind === 'Refused' ? answer : undefined;
      },
      { what: 'the ended token is refused' },
    );
    expect(new Set([taken, wrong, nobody, ended].map((answer) => JSON.stringify(answer)))).toHaveLength(1);
    expect(taken).toMatchObject({ kind: 'Refused' });
    for (const result of ['TokenTaken', 'WrongToken', 'UnknownMember', 'TokenEnded']) {
      expect([result, await count('lumbung_enrolments_total', `result="${result}"`)]).toEqual([result, 1]);
    }
    const said = await federation.everythingSaid();
    expect(said).toContain('join refused');
    expect(said.includes(token)).toBe(false);
  });

  it('with no request for a certificate is told what is wrong', async () => {
    const token = await invite('scribbler');
    const answer = await enrol('scribbler', token, '-----BEGIN CERTIFICATE REQUEST-----\nnonsense\n');
    expect(answer).toMatchObject({
      kind: 'Refused',
      message: expect.stringContaining('certificate request') as string,
    });
  });

  it('gives no word about runs of others: they are refused, and unknown ones listed as orphans', async () => {
    await federation.apply(aJob({ key: 'team-a/mine', pool: 'research', duration: 'infinite' }));
    const running = await federation.whenJob('team-a/mine', isRunning);
    const { uid = '' } = (await federation.job('team-a', 'mine')).metadata;
    await invite('rogue');
    await federation.lumbung('member', 'accept', 'rogue');
    const id = { ...(await northId()), member: 'rogue', clusterUid: 'cluster-of-rogue' };
    await federation.hub.client.mergePatch(
      { type: MEMBER_CLUSTER_RESOURCE, name: 'rogue' },
      { status: { clusterUid: id.clusterUid } },
      { subresource: 'status' },
    );
    const connection = await eventually(
      async () => {
        const dialled = await connectAs({ id });
        sayHello(dialled, id.clusterUid, 7);
        const [first] = await answersOf(dialled, 1);
        if (first?.kind === 'welcome') return dialled;
        dialled.close();
        return undefined;
      },
      { what: 'the rogue is welcomed' },
    );
    const foreign = { ...lie(uid, running.run?.fence ?? 0), ...success() };
    connection.session.send(reportOf(id.clusterUid, 1, [foreign, lie('no-such-job', 5)]));
    await eventually(async () => (await refusals('ForeignRuns')) > 0, { what: 'the foreign run is refused' });
    // Replayed: taken once only.
    const stale = await count('lumbung_federation_reports_total', 'verdict="stale"');
    connection.session.send(reportOf(id.clusterUid, 1, []));
    await eventually(async () => (await count('lumbung_federation_reports_total', 'verdict="stale"')) > stale, {
      what: 'the replayed report is stale',
    });
    const orphans = await federation.lumbung('run', 'orphans', '-o', 'json');
    expect(orphans).toContain('no-such-job');
    expect(orphans).not.toContain(uid);
    expect((await federation.job('team-a', 'mine')).status).toMatchObject({
      phase: 'Running',
      run: { member: 'north', fence: running.run?.fence },
    });
    connection.close();
    await federation.patchJob('team-a', 'mine', { suspend: true });
  });

  function lie(uid: string, number: number): RunReport {
    return {
      id: { jobUid: uid, fence: number },
      job: { namespace: 'team-a', name: 'mine' },
      tenant: 'team-a',
      pool: 'research',
      attempt: 1,
      templateHash: 'ab'.repeat(32),
      gpuModel: 'T4',
      gpusPerWorker: 1,
      phase: 'Running',
      workers: { pending: 0, running: 1, succeeded: 0, failed: 0 },
      nodes: [{ node: 'n-1', workers: 1 }],
      gpuSeconds: 1,
      deadlineArmed: false,
      message: 'believe me',
    } as unknown as RunReport;
  }

  function success(): Partial<RunReport> {
    return {
      phase: 'Ended',
      end: {
        outcome: 'Succeeded',
        cause: 'Completed',
        message: 'all done',
        everStarted: true,
        exits: [],
        endedAtMs: Date.now(),
      },
    };
  }

  function reportOf(uid: string, sequence: number, runs: readonly RunReport[]) {
    const report: MemberReport = {
      clusterUid: clusterUid(uid),
      agentVersion: '0',
      kubernetesVersion: 'v1',
      epoch: 7,
      sequence,
      policy: { state: 'Absent', message: 'none', dataJurisdictions: [], requireDigest: false, logsAllowed: false },
      window: { edges: [] },
      offers: [],
      gpus: [],
      runs,
    };
    return { kind: 'report', report, inventoryHash: 'cd'.repeat(32), inventoryOmitted: false } as const;
  }
});

describe('a certificate', () => {
  it(
    'is renewed at half its life, and the run goes on without the member being missed',
    { timeout: 30_000 },
    async () => {
      const north = federation.member('north');
      await federation.apply(aJob({ key: 'team-a/long', pool: 'research', duration: 'infinite' }));
      const before = await federation.whenJob('team-a/long', isRunning);
      const connectedSince = (await federation.memberStatus('north')).conditions?.find(
        (one) => one.type === 'Connected',
      );
      const fingerprints = (): readonly string[] => [
        ...new Set(north.connections.map((one) => one.certificateFingerprint)),
      ];
      const known = fingerprints().length;
      await eventually(() => fingerprints().length >= known + 2, {
        what: 'two renewed certificates',
        withinMs: 20_000,
      });
      const { conditions } = await federation.memberStatus('north');
      expect(conditions?.find((one) => one.type === 'Connected')).toMatchObject({
        status: 'True',
        lastTransitionTime: connectedSince?.lastTransitionTime,
      });
      const after = (await federation.job('team-a', 'long')).status;
      expect(after).toMatchObject({
        phase: 'Running',
        run: { fence: before.run?.fence, startedAt: before.run?.startedAt },
      });
      const page = await north.metrics.expose();
      expect(page).toMatch(/lumbung_agent_certificate_renewals_total\{result="renewed"\} [1-9]/);
      expect(page).not.toMatch(/lumbung_agent_session_ends_total\{reason="(?!renewed)[^"]*"\} [1-9]/);
      expect(page).not.toMatch(/lumbung_agent_certificate_renewals_total\{result="failed"\} [1-9]/);
      // Nobody's private key was said anywhere.
      expect(await federation.everythingSaid()).not.toContain('PRIVATE KEY');
    },
  );
});
