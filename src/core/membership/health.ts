/**
 * A member's health from the age of its last report alone. Decides Connected or Silent; what follows from silence is for
 * run/release.ts and the guards beside this file. Ages come from clocks that never jump (run/lease.ts).
 */

export type MemberHealth =
  /** Not heard since it was accepted. */
  'NeverReported' | 'Connected' | 'Silent';

/** Three report intervals: one lost report, or a slow one, is no silence. */
export const DEFAULT_SILENT_AFTER_MS = 15_000;

/** `reportAgeMs` absent = never heard. Silent from `silentAfterMs` on, inclusive. */
export function memberHealth(reportAgeMs: number | undefined, silentAfterMs = DEFAULT_SILENT_AFTER_MS): MemberHealth {
  if (reportAgeMs === undefined) return 'NeverReported';
  return reportAgeMs < silentAfterMs ? 'Connected' : 'Silent';
}
