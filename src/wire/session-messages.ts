/**
 * The messages of one session, decoded: what hub/federation and agent/session speak. The codecs beside this file turn
 * them into protobuf and back; the in-memory transport of the simulation carries them as they are.
 */
import type { Desired } from '../core/model/desired.ts';
import type { RunId } from '../core/model/ids.ts';
import type { MemberReport } from '../core/model/member.ts';
import type { RunReport } from '../core/model/run.ts';
import type { WireProblem } from './field-checks.ts';

export interface Hello {
  readonly protocolVersion: number;
  readonly oldestProtocolVersion: number;
  readonly clusterUid: string;
  readonly epoch: number;
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
  /** X25519 public key, 32 raw bytes. */
  readonly sealingPublicKey: Uint8Array;
}

export interface Welcome {
  readonly protocolVersion: number;
  readonly hubVersion: string;
  readonly incarnation: string;
  readonly term: number;
  readonly reportIntervalMs: number;
}

export type LogRefusalReason = 'ForbiddenByOwner' | 'NotFound' | 'Expired' | 'NotStarted' | 'TooManySessions';

export interface LogRequest {
  readonly sessionId: string;
  readonly run: RunId;
  readonly worker: number;
  /** Empty = the GPU container. */
  readonly container: string;
  readonly follow: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  readonly timestamps: boolean;
  /** For the member's audit log. */
  readonly user: string;
}

export type GoodbyeReason =
  | 'NotLeader'
  | 'Superseded'
  | 'Revoked'
  | 'UnsupportedVersion'
  | 'Malformed'
  | 'Draining'
  | 'NotAccepted'
  | 'DeclaredLost';

/** Agent to hub. */
export type AgentMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  /** `inventoryHash` covers policy, window, offers and gpus; when `inventoryOmitted`, those four are empty on the wire and the hub puts in the ones it holds under the hash. */
  | {
      readonly kind: 'report';
      readonly report: MemberReport;
      readonly inventoryHash: string;
      readonly inventoryOmitted: boolean;
    }
  | {
      readonly kind: 'logRefusal';
      readonly sessionId: string;
      readonly reason: LogRefusalReason;
      readonly message: string;
    }
  | { readonly kind: 'pong'; readonly nonce: number };

/** An order that this version cannot read: what its refusal needs in a report, and why. Never contains the template. */
export interface UnreadableOrder extends Pick<
  RunReport,
  'id' | 'job' | 'tenant' | 'pool' | 'attempt' | 'templateHash' | 'gpuModel' | 'gpusPerWorker'
> {
  readonly problems: readonly WireProblem[];
}

/** Hub to agent. */
export type HubMessage =
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  /** `unreadable`: orders that the decoder set apart; the agent reports each as Refused with the cause Unsupported. */
  | { readonly kind: 'desired'; readonly desired: Desired; readonly unreadable?: readonly UnreadableOrder[] }
  /** Lease ack. `inventoryKnown: false` asks for the inventory whole. */
  | { readonly kind: 'reportAck'; readonly epoch: number; readonly sequence: number; readonly inventoryKnown: boolean }
  | { readonly kind: 'logRequest'; readonly request: LogRequest }
  | {
      readonly kind: 'goodbye';
      readonly reason: GoodbyeReason;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  | { readonly kind: 'ping'; readonly nonce: number }
  | { readonly kind: 'trustUpdate'; readonly trustBundle: readonly string[] };

/** Log stream, agent to hub. */
export type LogAgentMessage =
  | { readonly kind: 'open'; readonly sessionId: string }
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  | { readonly kind: 'end'; readonly message: string };

/** Log stream, hub to agent: `window` bytes more may be sent; `closed` = the reader left. */
export type LogHubMessage = { readonly kind: 'window'; readonly bytes: number } | { readonly kind: 'closed' };
