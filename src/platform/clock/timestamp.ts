/** Kubernetes' time format (RFC 3339, UTC) to and from milliseconds since the Unix epoch. */

/** `2026-11-23T08:00:00Z`: whole seconds, as metav1.Time has them; a fraction is cut off. */
export function formatTimestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

/** `2026-11-23T08:00:00.123000Z`, as metav1.MicroTime has them (Lease times). */
export function formatMicroTimestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 23)}000Z`;
}

/** Undefined for anything that is no time. */
export function parseTimestamp(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const wallMs = Date.parse(text);
  return Number.isNaN(wallMs) ? undefined : wallMs;
}
