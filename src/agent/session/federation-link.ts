/**
 * The federation transport port of the agent: one connection to a hub, whatever carries it (gRPC in production, memory in
 * simulation). Leaves out what is said over it (conversation.ts) and when to try again (reconnect-rule.ts).
 */
import type { MessageStream } from '../../platform/grpc/message-stream.ts';
import type { RenewAnswer } from '../../wire/enrolment-codec.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from '../../wire/session-messages.ts';

export interface FederationConnection {
  /** The one session of this connection. A message that cannot be read ends it with INVALID_ARGUMENT. */
  readonly session: MessageStream<HubMessage, AgentMessage>;
  /** Fingerprint of the certificate that this connection was opened with, and when that ends. */
  readonly certificateFingerprint: string;
  readonly certificateNotAfterMs: number;
  openLogs(): MessageStream<LogHubMessage, LogAgentMessage>;
  /** Rejects with RpcError. */
  renew(csrPem: string): Promise<RenewAnswer>;
  /** Ends everything over this connection. Idempotent. */
  close(): void;
}

export interface FederationLink {
  /** Dials `address` (`host:port`) with the identity of this moment. Failure to connect shows in `session.closed`. */
  connect(address: string): FederationConnection;
}
