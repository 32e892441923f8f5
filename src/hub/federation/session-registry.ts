/**
 * The open sessions, at most one per member: a newer one ends the older. Others reach a member through it (desired state,
 * log requests, revocation). Leaves out what a session says.
 */
import type { MemberName } from '../../core/model/ids.ts';
import type { GoodbyeReason, HubMessage } from '../../wire/session-messages.ts';
import type { SendOptions } from '../../platform/grpc/message-stream.ts';

export interface OpenSession {
  readonly member: MemberName;
  readonly epoch: number;
  /** X25519 public key that attachments for this member are sealed to. */
  readonly sealingPublicKey: Uint8Array;
  readonly certificateFingerprint: string;
  readonly jurisdiction: string;
  /** True once ended: nothing of it counts any more. */
  readonly over: boolean;
  /** False when the session or its stream is over and the message went nowhere. */
  send(message: HubMessage, options?: SendOptions): boolean;
  /** Says goodbye and ends the stream, once. */
  end(reason: GoodbyeReason, message: string, retryAfterMs: number): void;
}

export class SessionRegistry {
  private readonly open = new Map<MemberName, OpenSession>();
  private readonly onChange: (count: number) => void;

  constructor(onChange: (count: number) => void) {
    this.onChange = onChange;
  }

  /** Makes `session` the member's one; an older session is told that it was superseded. */
  add(session: OpenSession): void {
    const older = this.open.get(session.member);
    this.open.set(session.member, session);
    this.onChange(this.open.size);
    older?.end('Superseded', `a newer session of ${session.member} has opened`, 5_000);
  }

  /** Does nothing when a newer session took the place. */
  remove(session: OpenSession): void {
    if (this.open.get(session.member) !== session) return;
    this.open.delete(session.member);
    this.onChange(this.open.size);
  }

  get(member: MemberName): OpenSession | undefined {
    return this.open.get(member);
  }

  all(): readonly OpenSession[] {
    return [...this.open.values()];
  }

  /** Ends every session, e.g. because this hub no longer leads. */
  endAll(reason: GoodbyeReason, message: string, retryAfterMs: number): void {
    for (const session of this.all()) session.end(reason, message, retryAfterMs);
  }
}
