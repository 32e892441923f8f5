/** The hash that is frozen beside a fence: what a member executes is what the hub meant, whatever was edited since. */
import { sha256Hex } from '../../platform/pki/digest.ts';

/** SHA-256, hexadecimal, of a template's JSON with keys in order, so that the order in which it was written is no difference. */
export function templateHash(template: unknown): string {
  return sha256Hex(JSON.stringify(canonical(template)));
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([name, part]) => [name, canonical(part)]));
}
