/**
 * What the end of a session means: when to try again, at which address, or not at all. Pure.
 *
 * Waits after failures double from 0.5 s to 30 s with jitter over the upper half; a session that was welcomed clears the
 * count. A hub that says when to come back is believed, up to 5 minutes. Only two words of the hub are final: Revoked, and
 * Superseded, since another agent of this member acts then.
 */
import { assertNever } from '../../std/assert-never.ts';
import { backoffMs } from '../../platform/clock/backoff.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { RpcCode } from '../../platform/grpc/message-stream.ts';
import type { GoodbyeReason } from '../../wire/session-messages.ts';

/** How a session ended. `welcomed` = the hub had taken it. */
export type SessionEnd =
  | {
      readonly kind: 'goodbye';
      readonly reason: GoodbyeReason;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  /** The stream was over without a goodbye. */
  | { readonly kind: 'lost'; readonly code: RpcCode | 'OK'; readonly message: string }
  /** No welcome, or nothing at all for too long. */
  | { readonly kind: 'silent'; readonly message: string }
  /** The hub leads by a lower term than one seen before: an old leader that does not know it yet. */
  | { readonly kind: 'lowerTerm'; readonly term: number; readonly seen: number }
  /** What the hub sent breaks the protocol. */
  | { readonly kind: 'protocol'; readonly message: string }
  /** Closed by us to go on under a renewed certificate. */
  | { readonly kind: 'renewed' }
  /** Told to stop. */
  | { readonly kind: 'stopped' };

/** Why the agent's session is over for good. */
export type SessionExit =
  | { readonly kind: 'Stopped' }
  | { readonly kind: 'Revoked'; readonly message: string }
  | { readonly kind: 'Superseded'; readonly message: string };

export type NextStep =
  | { readonly kind: 'again'; readonly delayMs: number; readonly otherAddress: boolean; readonly failures: number }
  | { readonly kind: 'exit'; readonly exit: SessionExit };

export interface ReconnectFacts {
  /** Failures in a row before this end. */
  readonly failures: number;
  readonly welcomed: boolean;
  /** How many addresses there are to choose from. */
  readonly addresses: number;
}

const BACKOFF = { baseMs: 500, maxMs: 30_000 };
const LONGEST_TOLD_WAIT_MS = 300_000;
/** Going round all replicas to find the leader should not take long, nor hammer one that does not lead. */
const NEXT_REPLICA_MS = 250;

/** Decides by the end of a session. */
export function nextStep(end: SessionEnd, facts: ReconnectFacts, random: Pick<Random, 'next'>): NextStep {
  const failures = (facts.welcomed ? 0 : facts.failures) + 1;
  const again = (atLeastMs: number, otherAddress: boolean): NextStep => ({
    kind: 'again',
    delayMs: Math.round(Math.max(backoffMs(BACKOFF, failures, random), Math.min(atLeastMs, LONGEST_TOLD_WAIT_MS))),
    otherAddress,
    failures,
  });
  switch (end.kind) {
    case 'stopped':
      return { kind: 'exit', exit: { kind: 'Stopped' } };
    case 'renewed':
      return { kind: 'again', delayMs: 0, otherAddress: false, failures: 0 };
    case 'lost':
    case 'silent':
    case 'protocol':
      return again(0, true);
    case 'lowerTerm':
      return again(NEXT_REPLICA_MS, true);
    case 'goodbye':
      return afterGoodbye(end, facts, again, random);
    default:
      return assertNever(end, 'session end');
  }
}

/** The next replica, asked almost at once while others are untried; undefined when all have been asked. */
function nextReplica(facts: ReconnectFacts): NextStep | undefined {
  const failures = facts.welcomed ? 1 : facts.failures + 1;
  if (!facts.welcomed && failures >= facts.addresses) return undefined;
  return { kind: 'again', delayMs: NEXT_REPLICA_MS, otherAddress: true, failures };
}

/**
 * A replica that answers is no failure: having gone round, the hub's own word counts, and waits do not grow. Leases run while
 * nobody leads, so the new leader must be found within a moment.
 */
function askSoon(retryAfterMs: number, facts: ReconnectFacts, random: Pick<Random, 'next'>): NextStep {
  const told = Math.max(NEXT_REPLICA_MS, retryAfterMs) * (1 + random.next() / 2);
  return {
    kind: 'again',
    delayMs: Math.round(Math.min(told, LONGEST_TOLD_WAIT_MS)),
    otherAddress: true,
    failures: facts.failures,
  };
}

function afterGoodbye(
  end: Extract<SessionEnd, { kind: 'goodbye' }>,
  facts: ReconnectFacts,
  again: (atLeastMs: number, otherAddress: boolean) => NextStep,
  random: Pick<Random, 'next'>,
): NextStep {
  switch (end.reason) {
    case 'Revoked':
    case 'Superseded':
      return { kind: 'exit', exit: { kind: end.reason, message: end.message } };
    case 'NotLeader':
      return nextReplica(facts) ?? askSoon(end.retryAfterMs, facts, random);
    case 'Draining':
      return nextReplica(facts) ?? again(end.retryAfterMs, true);
    case 'UnsupportedVersion':
    case 'NotAccepted':
    case 'DeclaredLost':
    case 'Malformed':
      return again(end.retryAfterMs, false);
    default:
      return assertNever(end.reason, 'goodbye reason');
  }
}

/** Label of the metric: a closed set of words. */
export function endReason(end: SessionEnd): string {
  return end.kind === 'goodbye' ? end.reason : end.kind;
}
