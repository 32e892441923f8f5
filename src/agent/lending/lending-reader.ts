/**
 * The seam between the owner's word (LendingPolicy, compiled) and those who obey it. The policy is enforced here alone,
 * whatever the hub says: it is asked before a run is accepted and again whenever it changes.
 */
import type { Cause } from '../../core/model/cause.ts';
import type { RunOrder, RunTerms } from '../../core/model/run.ts';
import type { Result } from '../../std/result.ts';

/** A typed refusal that the job's status shows. */
export interface PolicyRefusal {
  readonly cause: Extract<Cause, 'PolicyRefused' | 'JurisdictionRefused' | 'TemplateRefused'>;
  readonly message: string;
}

/** How guests must look on this member; read when guest objects are made. */
export interface GuestRules {
  readonly runtimeClassName?: string;
  /** Tolerations that guests get, as core/v1 JSON. */
  readonly tolerations: readonly Readonly<Record<string, string | number>>[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** The longest termination grace the owner allows. */
  readonly maxGraceMs: number;
  readonly podSecurity: 'restricted' | 'baseline' | 'privileged';
  readonly allowPrivateRanges: boolean;
  readonly allowedEgressCidrs: readonly string[];
  /** Dotted paths of the pod template that the owner opts into. */
  readonly allowedTemplatePaths: readonly string[];
  readonly finishedRetentionMs: number;
  readonly logsAllowed: boolean;
}

export interface LendingReader {
  /** Absent or invalid policy: undefined, and nothing new is taken. */
  guestRules(): GuestRules | undefined;
  /** May this order start here and now? Tenant, images, jurisdiction (policy, certificate and job), window, paused. */
  admits(order: RunOrder): Result<void, PolicyRefusal>;
  /** Must this run, already here, end? Tightening applies to running guests too; absence or invalidity of the policy does not end them. */
  mustEnd(run: RunTerms, images: readonly string[]): Result<void, PolicyRefusal & { readonly graceMs: number }>;
  subscribe(handler: () => void): () => void;
}
