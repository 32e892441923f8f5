/**
 * The hub's federation rooms over a fleet that is driven by hand: memory streams where the meaning of messages is tested,
 * real gRPC and mTLS on loopback where the transport is. Every log line, metric and sent message can be looked at.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createAttachmentResolver, type AttachmentResolver } from '../../../src/hub/federation/attachments.ts';
import { createFederationMetrics } from '../../../src/hub/federation/federation-metrics.ts';
import { createLogBroker, type LogBroker } from '../../../src/hub/federation/log-broker.ts';
import { createOutbound, type Outbound } from '../../../src/hub/federation/outbound.ts';
import { SessionRegistry } from '../../../src/hub/federation/session-registry.ts';
import { serveSession, type SessionDeps, type SessionPeer } from '../../../src/hub/federation/session.ts';
import type {
  Fleet,
  MemberAdmission,
  OpenSessionResult,
  ReportVerdict,
  SessionFacts,
} from '../../../src/hub/state/fleet.ts';
import type { DesiredContent } from '../../../src/core/model/desired.ts';
import { jurisdiction, memberName, type MemberName, type RunId } from '../../../src/core/model/ids.ts';
import type { MemberReport } from '../../../src/core/model/member.ts';
import type { Clock } from '../../../src/platform/clock/clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair, type MemoryPair } from '../../../src/platform/grpc/memory-stream.ts';
import type { KubeClient, ObjectRef } from '../../../src/platform/kube/kube-client.ts';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { PROTOCOL_VERSION } from '../../../src/wire/protocol-version.ts';
import type { AgentMessage, Hello, HubMessage } from '../../../src/wire/session-messages.ts';

export const memberA = memberName('member-a');
export const clusterA = 'cluster-a';

/** The fleet as federation sees it, with answers that a test sets and calls that it can read. */
export class FakeFleet implements Fleet {
  ready = true;
  readonly admissions = new Map<string, MemberAdmission>();
  readonly epochs = new Map<string, number>();
  readonly sessions: { readonly member: string; readonly facts: SessionFacts }[] = [];
  readonly closed: { readonly member: string; readonly epoch: number }[] = [];
  readonly reports: { readonly member: string; readonly report: MemberReport }[] = [];
  readonly problems: { readonly run: RunId; readonly message: string }[] = [];
  verdict: ReportVerdict = { kind: 'applied' };
  content: DesiredContent = { runs: [], cancels: [], outcomeAcks: [], goneJobUids: [], cordoned: false };
  located: { readonly run: RunId; readonly member: MemberName } | undefined;
  desiredAsked = 0;

  constructor() {
    this.accept(memberA, clusterA);
  }

  accept(member: string, clusterUid: string, where = 'ID'): void {
    this.admissions.set(member, { kind: 'Accepted', clusterUid, jurisdiction: jurisdiction(where) });
  }

  admission(member: MemberName): MemberAdmission {
    return this.admissions.get(member) ?? { kind: 'Unknown' };
  }

  openSession(member: MemberName, facts: SessionFacts): OpenSessionResult {
    const current = this.epochs.get(member) ?? 0;
    if (facts.epoch < current) return { kind: 'staleEpoch', current };
    this.epochs.set(member, facts.epoch);
    this.sessions.push({ member, facts });
    return { kind: 'opened' };
  }

  closeSession(member: MemberName, epoch: number): void {
    this.closed.push({ member, epoch });
  }

  applyReport(member: MemberName, report: MemberReport): ReportVerdict {
    this.reports.push({ member, report });
    return this.verdict;
  }

  desired(): DesiredContent {
    this.desiredAsked += 1;
    return this.content;
  }

  referenceProblem(run: RunId, message: string): void {
    this.problems.push({ run, message });
  }

  locateRun(): { readonly run: RunId; readonly member: MemberName } | undefined {
    return this.located;
  }

  onDesiredChanged(): () => void {
    return () => undefined;
  }

  onAdmissionChanged(): () => void {
    return () => undefined;
  }
}

export interface FakeObjects {
  readonly client: KubeClient;
  /** `secrets/ns/name` to object, or an error to throw instead. */
  readonly objects: Map<string, KubeObject | Error>;
  readonly calls: string[];
}

/** A client that gets and creates what a map holds. */
export function fakeObjects(): FakeObjects {
  const objects = new Map<string, KubeObject | Error>();
  const calls: string[] = [];
  const get = (ref: ObjectRef): Promise<KubeObject> => {
    const key = `${ref.type.plural}/${ref.namespace ?? ''}/${ref.name}`;
    calls.push(`get ${key}`);
    const object = objects.get(key);
    if (object === undefined) return Promise.reject(new KubeError({ status: 404, reason: 'NotFound', message: key }));
    return object instanceof Error ? Promise.reject(object) : Promise.resolve(object);
  };
  const create = (type: { readonly plural: string }, object: KubeObject): Promise<KubeObject> => {
    const key = `${type.plural}/${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
    calls.push(`create ${key}`);
    if (objects.has(key)) {
      return Promise.reject(new KubeError({ status: 409, reason: 'AlreadyExists', message: `${key} already exists` }));
    }
    objects.set(key, object);
    return Promise.resolve(object);
  };
  return { client: { get, create } as unknown as KubeClient, objects, calls };
}

/** A member's raw X25519 public key. */
export function sealingPublicKey(): Uint8Array {
  const { publicKey } = generateKeyPairSync('x25519');
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(12));
}

export function aHello(over: Partial<Hello> = {}): Hello {
  return {
    protocolVersion: PROTOCOL_VERSION,
    oldestProtocolVersion: PROTOCOL_VERSION,
    clusterUid: clusterA,
    epoch: 1,
    agentVersion: '1.0.0',
    kubernetesVersion: 'v1.34.0',
    sealingPublicKey: sealingPublicKey(),
    ...over,
  };
}

export function aPeer(over: Partial<SessionPeer['id']> = {}, rest: Partial<SessionPeer> = {}): SessionPeer {
  return {
    id: { trustDomain: 'lumbung.local', member: memberA, clusterUid: clusterA, jurisdiction: 'ID', ...over },
    certificateFingerprint: 'ab'.repeat(32),
    certificateNotAfterMs: Date.UTC(2027, 0, 1),
    address: '127.0.0.1:1',
    ...rest,
  };
}

export function aReport(over: Partial<MemberReport> = {}): MemberReport {
  return {
    clusterUid: clusterA as MemberReport['clusterUid'],
    agentVersion: '1.0.0',
    kubernetesVersion: 'v1.34.0',
    epoch: 1,
    sequence: 1,
    policy: { state: 'Lending', message: '', dataJurisdictions: [], requireDigest: false, logsAllowed: true },
    window: { edges: [] },
    offers: [],
    gpus: [],
    runs: [],
    ...over,
  };
}

export const reporting = (over: Partial<MemberReport> = {}, inventoryHash = 'h1', omitted = false): AgentMessage => ({
  kind: 'report',
  report: aReport(over),
  inventoryHash,
  inventoryOmitted: omitted,
});

/** One agent's end of a session in memory. */
export interface Agent {
  readonly pair: MemoryPair<AgentMessage, HubMessage>;
  /** What the hub said so far. */
  readonly heard: HubMessage[];
  readonly served: Promise<void>;
  say(message: AgentMessage): void;
  goodbye(): Extract<HubMessage, { kind: 'goodbye' }> | undefined;
  of<K extends HubMessage['kind']>(kind: K): readonly Extract<HubMessage, { kind: K }>[];
}

export class FederationRig {
  readonly clock: Clock;
  readonly fleet = new FakeFleet();
  readonly leadership = {
    isLeader: true,
    term: 7,
    provably: true,
    provablyLeading(): boolean {
      return this.provably;
    },
  };
  readonly registry = createMetrics();
  readonly metrics = createFederationMetrics(this.registry);
  readonly logLines: string[] = [];
  readonly logger = createSinkLogger('debug', (level, message, fields) =>
    this.logLines.push(JSON.stringify({ level, message, fields })),
  );
  readonly openCounts: number[] = [];
  readonly sessions = new SessionRegistry((count) => this.openCounts.push(count));
  readonly kube = fakeObjects();
  readonly attachments: AttachmentResolver = createAttachmentResolver({ client: this.kube.client });
  readonly outbound: Outbound;
  readonly logs: LogBroker;
  readonly deps: SessionDeps;

  constructor(clock: Clock = new VirtualClock()) {
    this.clock = clock;
    const { fleet, sessions, leadership, attachments, logger, metrics } = this;
    const incarnation = 'incarnation-1';
    this.outbound = createOutbound({ fleet, sessions, attachments, leadership, incarnation, clock, logger, metrics });
    this.logs = createLogBroker({ sessions, clock, random: systemRandom(), metrics });
    this.deps = {
      fleet,
      leadership,
      sessions,
      outbound: this.outbound,
      logs: this.logs,
      clock,
      logger,
      metrics,
      hubVersion: '1.2.3',
      incarnation,
      reportIntervalMs: 5_000,
    };
  }

  /** A stream that the hub serves; nothing is said on it yet. */
  dial(peer: SessionPeer = aPeer()): Agent {
    const pair = memoryStreamPair<AgentMessage, HubMessage>();
    const heard: HubMessage[] = [];
    void (async () => {
      for await (const message of pair.a.incoming) heard.push(message);
    })();
    const of = <K extends HubMessage['kind']>(kind: K): readonly Extract<HubMessage, { kind: K }>[] =>
      heard.filter((message): message is Extract<HubMessage, { kind: K }> => message.kind === kind);
    return {
      pair,
      heard,
      served: serveSession(pair.b, peer, this.deps),
      say: (message) => pair.a.send(message),
      of,
      goodbye: () => of('goodbye')[0],
    };
  }

  /** A session that has said hello and was welcomed. */
  async connect(hello: Partial<Hello> = {}, peer: SessionPeer = aPeer()): Promise<Agent> {
    const agent = this.dial(peer);
    agent.say({ kind: 'hello', hello: aHello(hello) });
    await settle();
    return agent;
  }

  async metric(name: string, labels = ''): Promise<number> {
    const line = (await this.registry.expose()).split('\n').find((each) => each.startsWith(`${name}${labels} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  refused(reason: string): Promise<number> {
    return this.metric('lumbung_federation_refusals_total', `{reason="${reason}"}`);
  }
}

/** Lets everything that is due now happen: promises, microtasks and deliveries in memory. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
