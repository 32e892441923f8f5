/**
 * Which version of the federation protocol two sides speak. A hub of version N serves agents of N, N-1 and N-2; the
 * protocol is additive within a version, so a higher one is needed only when meaning changes.
 */
import { err, ok, type Result } from '../std/result.ts';

/** What a side says in its hello: the newest version that it speaks and the oldest. */
export interface SpokenVersions {
  readonly protocolVersion: number;
  readonly oldestProtocolVersion: number;
}

/** Newest version that this build speaks. */
export const PROTOCOL_VERSION = 1;
/** How many versions back a hub serves. */
const SERVED_BACK = 2;
/** Oldest version that this build speaks. */
export const OLDEST_PROTOCOL_VERSION = Math.max(1, PROTOCOL_VERSION - SERVED_BACK);

const OWN: SpokenVersions = { protocolVersion: PROTOCOL_VERSION, oldestProtocolVersion: OLDEST_PROTOCOL_VERSION };

/** The newest version that both speak, or a sentence that says which side has to be upgraded. */
export function negotiateVersion(peer: SpokenVersions, own: SpokenVersions = OWN): Result<number, string> {
  const { protocolVersion: newest, oldestProtocolVersion: oldest } = peer;
  const spans = `peer speaks ${oldest} to ${newest}, this side ${own.oldestProtocolVersion} to ${own.protocolVersion}`;
  if (!Number.isSafeInteger(newest) || !Number.isSafeInteger(oldest) || oldest < 1 || oldest > newest) {
    return err(`protocol versions must be whole numbers from 1, the oldest not above the newest: ${spans}`);
  }
  if (newest < own.oldestProtocolVersion) return err(`the peer is too old and has to be upgraded: ${spans}`);
  if (oldest > own.protocolVersion) return err(`the peer is too new; this side has to be upgraded: ${spans}`);
  return ok(Math.min(newest, own.protocolVersion));
}
