/**
 * One session with one agent, from hello to goodbye.
 *
 * Invariants: who the peer is comes from its certificate alone; nothing is acknowledged unless this hub provably leads and
 * the report is in the fleet's state; the late end of an old stream never touches a newer session (registry and fleet
 * compare epochs). Leaves out transport and encoding: it speaks decoded messages over a MessageStream.
 */
import { memberName, type MemberName } from '../../core/model/ids.ts';
import type { MemberReport } from '../../core/model/member.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { MessageStream, SendOptions } from '../../platform/grpc/message-stream.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { MemberSpiffeId } from '../../platform/pki/spiffe-id.ts';
import type { AgentMessage, GoodbyeReason, Hello, HubMessage } from '../../wire/session-messages.ts';
import { negotiateVersion } from '../../wire/protocol-version.ts';
import type { Fleet } from '../state/fleet.ts';
import type { FederationMetrics } from './federation-metrics.ts';
import type { Leadership } from './leadership.ts';
import type { LogBroker } from './log-broker.ts';
import type { Outbound } from './outbound.ts';
import type { OpenSession, SessionRegistry } from './session-registry.ts';

/** How long an agent may stay silent after opening a stream before it says hello. */
const helloTimeoutMs = 10_000;

export interface SessionDeps {
  readonly fleet: Fleet;
  readonly leadership: Leadership;
  readonly sessions: SessionRegistry;
  readonly outbound: Outbound;
  readonly logs: LogBroker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: FederationMetrics;
  readonly hubVersion: string;
  readonly incarnation: string;
  readonly reportIntervalMs: number;
}

/** The peer as its certificate names it. */
export interface SessionPeer {
  readonly id: MemberSpiffeId;
  readonly certificateFingerprint: string;
  readonly certificateNotAfterMs: number;
  readonly address: string;
}

interface Refusal {
  readonly reason: GoodbyeReason;
  readonly message: string;
  readonly retryAfterMs: number;
}

type Stream = MessageStream<AgentMessage, HubMessage>;

/** Serves the session until the stream is over. Never throws for what the peer does. */
export async function serveSession(stream: Stream, peer: SessionPeer, deps: SessionDeps): Promise<void> {
  const member = memberName(peer.id.member);
  const logger = deps.logger.child({ member, address: peer.address });
  const refusal = refuseAtDoor(member, peer, deps);
  if (refusal !== undefined) {
    sayGoodbye(stream, refusal, deps);
    return;
  }
  const incoming = stream.incoming[Symbol.asyncIterator]();
  const hello = await firstHello(stream, incoming, deps);
  if (hello === undefined) {
    sayGoodbye(
      stream,
      { reason: 'Malformed', message: 'the first message must be a hello, within 10 s', retryAfterMs: 5_000 },
      deps,
    );
    return;
  }
  // Up to the hello time has passed: the member may have been revoked, or another hub may lead.
  const session = refuseAtDoor(member, peer, deps) ?? openSession(stream, { member, peer, hello }, deps);
  if ('reason' in session) {
    sayGoodbye(stream, session, deps);
    return;
  }
  logger.info('agent connected', { epoch: hello.epoch, agentVersion: hello.agentVersion });
  try {
    await new SessionLoop({ session, peer, deps, logger }).run(incoming);
  } finally {
    deps.sessions.remove(session);
    deps.fleet.closeSession(member, hello.epoch);
    logger.info('agent session over', { epoch: hello.epoch });
  }
}

function refuseAtDoor(member: MemberName, peer: SessionPeer, deps: SessionDeps): Refusal | undefined {
  if (!deps.fleet.ready || !deps.leadership.provablyLeading()) {
    return { reason: 'NotLeader', message: 'this hub replica does not lead', retryAfterMs: 500 };
  }
  const admission = deps.fleet.admission(member);
  switch (admission.kind) {
    case 'Accepted':
      break;
    case 'DeclaredLost':
      // It may come back: its runs are cancelled by fence, so it must be heard.
      break;
    case 'Unknown':
    case 'NotAccepted':
      return { reason: 'NotAccepted', message: `member ${member} is not accepted by this hub`, retryAfterMs: 10_000 };
    case 'Revoked':
      return { reason: 'Revoked', message: `member ${member} was revoked`, retryAfterMs: 60_000 };
  }
  if (admission.clusterUid !== peer.id.clusterUid || admission.jurisdiction !== peer.id.jurisdiction) {
    const message = `the certificate of ${member} says cluster ${peer.id.clusterUid}, jurisdiction ${peer.id.jurisdiction}; accepted is another`;
    return { reason: 'NotAccepted', message, retryAfterMs: 30_000 };
  }
  return undefined;
}

async function firstHello(
  stream: Stream,
  incoming: AsyncIterator<AgentMessage>,
  deps: SessionDeps,
): Promise<Hello | undefined> {
  const timer = deps.clock.after(helloTimeoutMs, () => {
    deps.metrics.refusals.inc({ reason: 'HelloTimeout' });
    stream.close({ kind: 'failed', code: 'DEADLINE_EXCEEDED', message: 'no hello within 10 s' });
  });
  try {
    const first = await incoming.next();
    return first.done === true || first.value.kind !== 'hello' ? undefined : first.value.hello;
  } finally {
    timer.cancel();
  }
}

interface Opening {
  readonly member: MemberName;
  readonly peer: SessionPeer;
  readonly hello: Hello;
}

function openSession(stream: Stream, opening: Opening, deps: SessionDeps): OpenSession | Refusal {
  const { member, peer, hello } = opening;
  if (hello.clusterUid !== peer.id.clusterUid) {
    const message = `hello says cluster ${hello.clusterUid}, the certificate ${peer.id.clusterUid}`;
    return { reason: 'Malformed', message, retryAfterMs: 30_000 };
  }
  const version = negotiateVersion(hello);
  if (!version.ok) return { reason: 'UnsupportedVersion', message: version.error, retryAfterMs: 60_000 };
  const opened = deps.fleet.openSession(member, {
    epoch: hello.epoch,
    agentVersion: hello.agentVersion,
    kubernetesVersion: hello.kubernetesVersion,
    certificateNotAfterMs: peer.certificateNotAfterMs,
    certificateFingerprint: peer.certificateFingerprint,
    openedAt: deps.clock.read(),
  });
  if (opened.kind === 'staleEpoch') {
    const message = `epoch ${hello.epoch} is older than ${opened.current}, which this hub has seen`;
    return { reason: 'Superseded', message, retryAfterMs: 5_000 };
  }
  const session = sessionOver(stream, opening, deps);
  deps.sessions.add(session);
  const { hubVersion, incarnation, reportIntervalMs } = deps;
  const welcome = {
    protocolVersion: version.value,
    hubVersion,
    incarnation,
    term: deps.leadership.term,
    reportIntervalMs,
  };
  session.send({ kind: 'welcome', welcome }, { lane: 'priority' });
  deps.outbound.push(member);
  return session;
}

/** The session as others see it. Once ended it sends and takes nothing more, however long its stream still lives. */
function sessionOver(stream: Stream, { member, peer, hello }: Opening, deps: SessionDeps): OpenSession {
  let over = false;
  const session: OpenSession = {
    member,
    epoch: hello.epoch,
    sealingPublicKey: hello.sealingPublicKey,
    certificateFingerprint: peer.certificateFingerprint,
    jurisdiction: peer.id.jurisdiction,
    get over() {
      return over;
    },
    send: (message: HubMessage, options?: SendOptions) => !over && stream.send(message, options),
    end: (reason, message, retryAfterMs) => {
      if (over) return;
      over = true;
      sayGoodbye(stream, { reason, message, retryAfterMs }, deps);
      // A peer that does not read could keep the stream half open: the session itself is over now.
      deps.sessions.remove(session);
      deps.fleet.closeSession(member, hello.epoch);
      if (reason === 'Revoked' || reason === 'NotAccepted') deps.logs.drop(member);
    },
  };
  return session;
}

/** Counts what was refused once, however often it is said. */
function sayGoodbye(stream: Stream, refusal: Refusal, deps: SessionDeps): void {
  if (stream.send({ kind: 'goodbye', ...refusal }, { lane: 'priority' })) {
    deps.metrics.refusals.inc({ reason: refusal.reason });
  }
  stream.close();
}

interface SessionLoopParts {
  readonly session: OpenSession;
  readonly peer: SessionPeer;
  readonly deps: SessionDeps;
  readonly logger: Logger;
}

/** What an established session remembers: the inventory that a later report may refer to by hash. */
class SessionLoop {
  private readonly session: OpenSession;
  private readonly peer: SessionPeer;
  private readonly deps: SessionDeps;
  private readonly logger: Logger;
  private inventory: { readonly hash: string; readonly report: MemberReport } | undefined;

  constructor(parts: SessionLoopParts) {
    this.session = parts.session;
    this.peer = parts.peer;
    this.deps = parts.deps;
    this.logger = parts.logger;
  }

  async run(incoming: AsyncIterator<AgentMessage>): Promise<void> {
    for (;;) {
      const next = await incoming.next();
      if (next.done === true || this.session.over) return;
      this.take(next.value);
    }
  }

  private take(message: AgentMessage): void {
    switch (message.kind) {
      case 'report':
        this.takeReport(message);
        return;
      case 'logRefusal':
        this.deps.logs.refused(this.session.member, message);
        return;
      case 'pong':
        return;
      case 'hello':
        this.session.end('Malformed', 'a second hello in one session', 5_000);
        return;
    }
  }

  private takeReport(message: Extract<AgentMessage, { kind: 'report' }>): void {
    const { member, epoch } = this.session;
    if (this.deps.clock.nowMs() >= this.peer.certificateNotAfterMs) {
      // TLS checked it when the stream was opened; an open stream must not outlive it.
      this.deps.metrics.refusals.inc({ reason: 'CertificateExpired' });
      this.session.end('Draining', 'the certificate of this session has expired; connect with the renewed one', 1_000);
      return;
    }
    if (!this.deps.leadership.provablyLeading()) {
      this.session.end('NotLeader', 'this hub replica no longer leads', 500);
      return;
    }
    const report = this.completed(message);
    if (report === undefined) {
      // Not taken, so it is no lease ack either: the agent sends the inventory whole.
      this.session.send(
        { kind: 'reportAck', epoch, sequence: message.report.sequence, inventoryKnown: false },
        { lane: 'priority' },
      );
      return;
    }
    const verdict = this.deps.fleet.applyReport(member, report, this.deps.clock.read());
    this.deps.metrics.reports.inc({ verdict: verdict.kind });
    if (verdict.kind === 'stale') return;
    if (verdict.kind === 'appliedInPart') {
      this.deps.metrics.refusals.inc({ reason: 'ForeignRuns' }, verdict.foreignRuns.length);
      this.logger.warn('report names runs that were never issued to this member', {
        runs: verdict.foreignRuns.slice(0, 5),
      });
    }
    this.session.send(
      { kind: 'reportAck', epoch, sequence: report.sequence, inventoryKnown: true },
      { lane: 'priority' },
    );
  }

  /** The report with its inventory put in, and with the identity that the certificate says. Undefined: inventory unknown. */
  private completed(message: Extract<AgentMessage, { kind: 'report' }>): MemberReport | undefined {
    const report: MemberReport = { ...message.report, epoch: this.session.epoch };
    if (!message.inventoryOmitted) {
      this.inventory = { hash: message.inventoryHash, report };
      return report;
    }
    if (this.inventory?.hash !== message.inventoryHash) return undefined;
    const { policy, window, offers, gpus } = this.inventory.report;
    return { ...report, policy, window, offers, gpus };
  }
}
