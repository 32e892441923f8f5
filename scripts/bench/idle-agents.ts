/**
 * Many connected idle agents on one hub: its memory and CPU. The agents are played by this process, each with its own
 * certificate, connection and stream, reporting every 5 s with an unchanged inventory, as a real one does.
 */
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import { clusterUid, gpuModel, nodeName } from '../../src/core/model/ids.ts';
import type { MemberReport } from '../../src/core/model/member.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { dial, openDuplex } from '../../src/platform/grpc/client.ts';
import { configMaps, secrets } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { loadAuthority } from '../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../src/platform/pki/certificate-request.ts';
import { formatMemberSpiffeId } from '../../src/platform/pki/spiffe-id.ts';
import { inventoryHash } from '../../src/wire/inventory-codec.ts';
import { OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from '../../src/wire/protocol-version.ts';
import { FederationClient } from '../../src/wire/services.ts';
import { eventually } from '../../test/support/eventually.ts';
import { Federation } from '../../test/support/federation.ts';
import { measured, processUse, type BenchResult } from './result.ts';

export interface IdleAgentsOptions {
  readonly agents: number;
  readonly progress: (text: string) => void;
}

type Data = KubeObject & { readonly data?: Readonly<Record<string, string>> };
const namespace = 'lumbung-system';
const watchSeconds = 30;

export async function idleAgents(options: IdleAgentsOptions): Promise<readonly BenchResult[]> {
  const federation = await Federation.start({
    members: [],
    hubSettings: { 'log-level': 'warn' },
    progress: options.progress,
  });
  const closers: (() => void)[] = [];
  try {
    const { client } = federation.hubCluster;
    const info = await eventually(
      () => client.get<Data>({ type: configMaps, namespace, name: 'lumbung-hub' }).catch(() => undefined),
      { what: 'the hub has published where it is' },
    );
    const address = info.data?.['federationAddress'] ?? '';
    const fresh = await processUse(federation.hub.pid ?? 0);
    const identities = await makeIdentities(federation, options);
    options.progress(`connecting ${options.agents} agents`);
    const connectStarted = performance.now();
    let acknowledged = 0;
    for (const identity of identities) {
      closers.push(playAgent(address, identity, () => (acknowledged += 1)));
      // A fleet reconnects with jitter; here a few milliseconds apart.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await eventually(() => acknowledged >= options.agents, {
      what: `every agent's first report is acknowledged (${acknowledged})`,
      withinMs: 120_000,
    });
    const connectSeconds = (performance.now() - connectStarted) / 1000;
    options.progress(`all connected after ${connectSeconds.toFixed(1)} s; watching for ${watchSeconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const before = await processUse(federation.hub.pid ?? 0);
    const acksBefore = acknowledged;
    await new Promise((resolve) => setTimeout(resolve, watchSeconds * 1000));
    const after = await processUse(federation.hub.pid ?? 0);
    return [
      measured('agents connected', options.agents, ''),
      measured('time until every first report is acknowledged', connectSeconds, 's'),
      measured('hub RSS without agents', fresh.rssMb, 'MB'),
      measured('hub RSS', after.rssMb, 'MB'),
      measured('hub RSS per agent', ((after.rssMb - fresh.rssMb) * 1024) / options.agents, 'KB'),
      measured('hub CPU', (after.cpuSeconds - before.cpuSeconds) / watchSeconds, 'cores', '<= 1'),
      measured('reports acknowledged a second', (acknowledged - acksBefore) / watchSeconds, '1/s'),
    ];
  } finally {
    for (const close of closers) close();
    await federation.stop();
  }
}

interface Identity {
  readonly uid: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly trustBundlePem: string;
}

async function makeIdentities(federation: Federation, options: IdleAgentsOptions): Promise<readonly Identity[]> {
  const { client } = federation.hubCluster;
  const secret = await client.get<Data>({ type: secrets, namespace, name: 'lumbung-hub-ca' });
  const pem = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const authority = await loadAuthority(
    { certificatePem: pem('tls.crt'), keyPem: pem('tls.key') },
    { clock: systemClock(), random: systemRandom() },
  );
  options.progress(`issuing ${options.agents} certificates`);
  const identities: Identity[] = [];
  for (let at = 0; at < options.agents; at++) {
    const name = `idle-${at}`;
    const uid = systemRandom().uuid();
    await client.create(MEMBER_CLUSTER_RESOURCE, {
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'MemberCluster',
      metadata: { name },
      spec: { accepted: true, jurisdiction: 'ID' },
    } as KubeObject);
    await client.mergePatch(
      { type: MEMBER_CLUSTER_RESOURCE, name },
      { status: { clusterUid: uid } },
      { subresource: 'status' },
    );
    const { csrPem, keyPem } = await createKeyAndCsr({ commonName: name });
    const { publicKeySpki } = await verifyCsr(csrPem);
    const spiffeUri = formatMemberSpiffeId({
      trustDomain: 'lumbung.dev',
      member: name,
      clusterUid: uid,
      jurisdiction: 'ID',
    });
    const certificatePem = await authority.issueClientCertificate({
      publicKeySpki,
      commonName: name,
      spiffeUri,
      validityMs: 86_400_000,
    });
    identities.push({ uid, certificatePem, keyPem, trustBundlePem: authority.certificatePem });
  }
  return identities;
}

/** Returns how to end it. */
function playAgent(address: string, identity: Identity, onAck: () => void): () => void {
  const client = dial(FederationClient, { address, trustBundlePem: identity.trustBundlePem, identity });
  const stream = openDuplex(client.connect.bind(client));
  const inventory = inventoryOf();
  const hash = inventoryHash(inventory);
  let sequence = 0;
  const report = (omitted: boolean): void => {
    sequence += 1;
    const whole: MemberReport = {
      clusterUid: clusterUid(identity.uid),
      agentVersion: '0.1.0',
      kubernetesVersion: 'v1.36.3',
      epoch: 1,
      sequence,
      runs: [],
      ...inventory,
    };
    stream.send({ kind: 'report', report: whole, inventoryHash: hash, inventoryOmitted: omitted }, { key: 'report' });
  };
  stream.send({
    kind: 'hello',
    hello: {
      protocolVersion: PROTOCOL_VERSION,
      oldestProtocolVersion: OLDEST_PROTOCOL_VERSION,
      clusterUid: identity.uid,
      epoch: 1,
      agentVersion: '0.1.0',
      kubernetesVersion: 'v1.36.3',
      sealingPublicKey: systemRandom().bytes(32),
    },
  });
  report(false);
  const timer = setInterval(() => {
    report(true);
  }, 5_000);
  void (async () => {
    for await (const message of stream.incoming) if (message.ok && message.value.kind === 'reportAck') onAck();
  })();
  return () => {
    clearInterval(timer);
    stream.close();
    client.close();
  };
}

function inventoryOf(): Pick<MemberReport, 'policy' | 'window' | 'offers' | 'gpus'> {
  const model = gpuModel('H100-80GB');
  const gpuMemoryBytes = 85_899_345_920;
  return {
    policy: { state: 'Lending', message: '', dataJurisdictions: [], requireDigest: false, logsAllowed: true },
    window: { edges: [] },
    offers: [1, 2].map((at) => ({
      node: nodeName(`node-${at}`),
      vendor: 'nvidia',
      gpuModel: model,
      gpuMemoryBytes,
      gpuResource: 'nvidia.com/gpu',
      totalGpus: 8,
      free: { cpu: 96_000, memory: 549_755_813_888, 'nvidia.com/gpu': 8, pods: 100 },
      allocatable: { cpu: 96_000, memory: 549_755_813_888, 'nvidia.com/gpu': 8, pods: 110 },
      labels: { 'kubernetes.io/arch': 'amd64' },
      taints: [],
    })),
    gpus: [
      {
        vendor: 'nvidia',
        gpuModel: model,
        gpuMemoryBytes,
        total: 16,
        owner: 0,
        parked: 0,
        idle: 16,
        lent: 0,
        unhealthy: 0,
        unknown: 0,
        offered: 16,
      },
    ],
  };
}
