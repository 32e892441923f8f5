/**
 * The Lease object of a leader election: reading it, and the objects that acquire, renew and release it.
 *
 * Invariants: pure; `leaseTransitions` of an acquisition is above every term seen before, so that it can serve as a fence; a
 * released lease names no holder. What others wrote on the object (labels, annotations of theirs) stays.
 */
import type { KubeObject } from './object.ts';

export interface LeaseObject extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds. */
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface LeaseClaim {
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly leaseDurationMs: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Wall clock, for people; nobody compares it. */
  readonly nowMs: number;
}

/** Empty if nobody holds it. */
export function holderOf(lease: LeaseObject): string {
  return lease.spec?.holderIdentity ?? '';
}

export function termOf(lease: LeaseObject | undefined): number {
  return lease?.spec?.leaseTransitions ?? 0;
}

/** As its holder declared; `fallbackMs` if it did not. */
export function durationMsOf(lease: LeaseObject, fallbackMs: number): number {
  const seconds = lease.spec?.leaseDurationSeconds;
  return seconds === undefined || seconds <= 0 ? fallbackMs : seconds * 1000;
}

/** Changes with every acquisition, renewal and release, and with nothing else. */
export function signOfLife(lease: LeaseObject): string {
  const { holderIdentity, renewTime, acquireTime, leaseTransitions } = lease.spec ?? {};
  return JSON.stringify([holderIdentity, renewTime, acquireTime, leaseTransitions]);
}

/** The lease as `claim` takes it over under `term`; without `current`, a new one. */
export function acquired(current: LeaseObject | undefined, claim: LeaseClaim, term: number): LeaseObject {
  const now = microTime(claim.nowMs);
  return withSpec(current, claim, {
    holderIdentity: claim.identity,
    leaseDurationSeconds: Math.round(claim.leaseDurationMs / 1000),
    acquireTime: now,
    renewTime: now,
    leaseTransitions: term,
  });
}

/** The lease as its holder keeps it. */
export function renewed(current: LeaseObject, claim: LeaseClaim): LeaseObject {
  return withSpec(current, claim, { ...current.spec, renewTime: microTime(claim.nowMs) });
}

/** The lease as its holder gives it back: free at once. */
export function released(current: LeaseObject, claim: LeaseClaim): LeaseObject {
  const { holderIdentity: _holder, acquireTime: _acquired, ...rest } = current.spec ?? {};
  return withSpec(current, claim, { ...rest, leaseDurationSeconds: 1, renewTime: microTime(claim.nowMs) });
}

function withSpec(
  current: LeaseObject | undefined,
  claim: LeaseClaim,
  spec: NonNullable<LeaseObject['spec']>,
): LeaseObject {
  const annotations = { ...current?.metadata.annotations, ...claim.annotations };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...current?.metadata, namespace: claim.namespace, name: claim.name, annotations },
    spec,
  };
}

/** RFC 3339 with six digits, as metav1.MicroTime wants it. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
