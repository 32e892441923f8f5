/**
 * Names of the objects that a run or tenant has on a member. Deterministic, so that a restarted agent finds what it made
 * and a fence that was ever started can never be made twice under another name.
 * Invariants: every name is a DNS label; a run's name leaves room for `-<index>` (a pod's host name) for 4096 workers;
 * different runs and tenants have different names (80 bits of SHA-256 where the text itself does not fit).
 */
import { createHash } from 'node:crypto';

const LABEL_MAX = 63;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** 16 base32 characters: 80 bits. */
const HASH_LENGTH = 16;

interface RunIdentity {
  readonly jobUid: string;
  readonly fence: number;
}

/** The first 80 bits of a SHA-256 in lower-case base32. */
function shortHash(text: string): string {
  const digest = createHash('sha256').update(text, 'utf8').digest();
  let bits = 0n;
  for (const byte of digest.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  let name = '';
  for (let index = 0; index < HASH_LENGTH; index += 1) {
    name = (BASE32[Number(bits & 31n)] ?? '') + name;
    bits >>= 5n;
  }
  return name;
}

/** Name of a run's GuestRun, Job and headless Service: `run-<hash of the job UID>-<fence>`, at most 37 characters. */
export function runName(run: RunIdentity): string {
  return `run-${shortHash(run.jobUid)}-${String(run.fence)}`;
}

/** Host name of a worker within its namespace: `<pod host name>.<service>`; index 0 is the rendezvous master. */
export function workerHostName(run: RunIdentity, index: number): string {
  const name = runName(run);
  return `${name}-${String(index)}.${name}`;
}

/** Name of a run's own copy of a tenant's ConfigMap or Secret. */
export function runCopyName(run: RunIdentity, kind: 'ConfigMap' | 'Secret', name: string): string {
  return `${runName(run)}-${shortHash(`${kind}/${name}`)}`;
}

/**
 * Namespace of a tenant's guests on a member: `guest-<tenant>`, or `guests-<start>-<hash>` when the tenant's name is too
 * long or no DNS label. The two forms begin differently, so that no tenant can be named into another's namespace.
 */
export function guestNamespace(tenant: string): string {
  const plain = `guest-${tenant}`;
  if (plain.length <= LABEL_MAX && DNS_LABEL.test(tenant)) return plain;
  const start = tenant
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 30)
    .replace(/-+$/, '');
  return start === '' ? `guests-${shortHash(tenant)}` : `guests-${start}-${shortHash(tenant)}`;
}
