/** An agent's session against a hub of the test's own making, over memory streams and virtual time. */
import { createEpochs } from '../../../src/agent/session/epochs.ts';
import type { FederationLink } from '../../../src/agent/session/federation-link.ts';
import { createSession, type CurrentCertificate, type Session } from '../../../src/agent/session/session.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { clusterUid } from '../../../src/core/model/ids.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair, type MemoryPair } from '../../../src/platform/grpc/memory-stream.ts';
import type { MessageStream } from '../../../src/platform/grpc/message-stream.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from '../../../src/wire/session-messages.ts';
import { fakeInventory, fakeKeeper } from '../../support/agent-fakes.ts';

export type ReportMessage = Extract<AgentMessage, { kind: 'report' }>;

/** The hub's end of one connection. */
export interface HubEnd {
  readonly address: string;
  readonly received: AgentMessage[];
  readonly reports: ReportMessage[];
  readonly logStreams: MessageStream<LogAgentMessage, LogHubMessage>[];
  readonly pair: MemoryPair<AgentMessage, HubMessage>;
  closedByAgent: boolean;
  send(message: HubMessage): void;
  welcome(overrides?: Partial<{ term: number; reportIntervalMs: number }>): void;
  ack(report: ReportMessage | undefined, inventoryKnown?: boolean): void;
}

export interface RigOptions {
  readonly addresses?: readonly string[];
  readonly term?: number;
  /** Runs when a connection is made; default: welcome at once. */
  readonly onConnect?: (hub: HubEnd, index: number) => void;
  readonly pairOptions?: Parameters<typeof memoryStreamPair<AgentMessage, HubMessage>>[0];
}

export function aRig(options: RigOptions = {}) {
  const clock = new VirtualClock({ turnsPerStep: 3 });
  const hubs: HubEnd[] = [];
  const keeper = fakeKeeper();
  const inventory = fakeInventory();
  const metrics = createMetrics();
  const agentMetrics = createAgentMetrics(metrics);
  const trust: (readonly string[])[] = [];
  const certificates = { current: { fingerprint: 'one', notAfterMs: clock.nowMs() + 3_600_000 } as CurrentCertificate };
  const certificateHandlers = new Set<() => void>();
  const onConnect =
    options.onConnect ??
    ((hub: HubEnd) => {
      hub.welcome();
    });
  const link: FederationLink = {
    connect: (address) => {
      const hub = hubEnd(address, options.pairOptions);
      hubs.push(hub);
      const { fingerprint, notAfterMs } = certificates.current;
      const index = hubs.length - 1;
      queueMicrotask(() => {
        onConnect(hub, index);
      });
      return {
        session: hub.pair.a,
        certificateFingerprint: fingerprint,
        certificateNotAfterMs: notAfterMs,
        openLogs: () => {
          const logs = memoryStreamPair<LogAgentMessage, LogHubMessage>();
          hub.logStreams.push(logs.b);
          return logs.a;
        },
        renew: () => Promise.reject(new Error('not in this test')),
        close: () => {
          hub.closedByAgent = true;
        },
      };
    },
  };
  const session: Session = createSession({
    link,
    addresses: options.addresses ?? ['hub:1'],
    identity: { clusterUid: clusterUid('cluster-1'), agentVersion: '1.0.0', kubernetesVersion: 'v1.36.0' },
    epochs: createEpochs(options.term ?? 1),
    sealingPublicKey: new Uint8Array(32),
    inventory,
    keeper,
    certificate: () => certificates.current,
    onCertificate: (handler) => {
      certificateHandlers.add(handler);
      return () => certificateHandlers.delete(handler);
    },
    onTrustBundle: (bundle) => trust.push(bundle),
    clock,
    random: seededRandom('session'),
    logger: silentLogger(),
    metrics: agentMetrics,
  });
  return {
    clock,
    hubs,
    keeper,
    inventory,
    metrics,
    trust,
    session,
    get hub(): HubEnd {
      return hubs.at(-1)!;
    },
    renewCertificate: (certificate: CurrentCertificate): void => {
      certificates.current = certificate;
      for (const handler of certificateHandlers) handler();
    },
    start: async (): Promise<void> => {
      await session.start(new AbortController().signal);
      await clock.advanceAsync(0);
    },
  };
}

function hubEnd(address: string, pairOptions: RigOptions['pairOptions']): HubEnd {
  const pair = memoryStreamPair<AgentMessage, HubMessage>(pairOptions);
  const hub: HubEnd = {
    address,
    received: [],
    reports: [],
    logStreams: [],
    pair,
    closedByAgent: false,
    send: (message) => {
      pair.b.send(message);
    },
    welcome: (overrides = {}) => {
      const welcome = {
        protocolVersion: 1,
        hubVersion: '1.0.0',
        incarnation: 'i',
        term: 1,
        reportIntervalMs: 5000,
        ...overrides,
      };
      pair.b.send({ kind: 'welcome', welcome });
    },
    ack: (report, inventoryKnown = true) => {
      if (report === undefined) throw new Error('no report to acknowledge');
      const { epoch, sequence } = report.report;
      pair.b.send({ kind: 'reportAck', epoch, sequence, inventoryKnown });
    },
  };
  void (async () => {
    for await (const message of pair.b.incoming) {
      hub.received.push(message);
      if (message.kind === 'report') hub.reports.push(message);
    }
  })();
  return hub;
}
