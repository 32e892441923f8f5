/**
 * The seam between hub state (one writer, many readers) and hub/federation. Federation knows streams and certificates;
 * the fleet knows members, runs and what is durably in the custom resources.
 */
import type { DesiredContent } from '../../core/model/desired.ts';
import type { JobUid, Jurisdiction, MemberName, RunId } from '../../core/model/ids.ts';
import type { MemberReport } from '../../core/model/member.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';

/** May the bearer of this certificate speak for the member? Decided from MemberCluster alone. */
export type MemberAdmission =
  | { readonly kind: 'Accepted'; readonly clusterUid: string; readonly jurisdiction: Jurisdiction }
  | { readonly kind: 'Unknown' }
  | { readonly kind: 'NotAccepted' }
  | { readonly kind: 'Revoked' }
  /** Bound to the same identity as an accepted one. */
  | {
      readonly kind: 'DeclaredLost';
      readonly since: string;
      readonly clusterUid: string;
      readonly jurisdiction: Jurisdiction;
    };

export interface SessionFacts {
  readonly epoch: number;
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
  readonly certificateNotAfterMs: number;
  readonly certificateFingerprint: string;
  readonly openedAt: ClockReading;
}

export type OpenSessionResult =
  | { readonly kind: 'opened' }
  /** A stream with a higher epoch was seen: this one is an old agent's. */
  | { readonly kind: 'staleEpoch'; readonly current: number };

export type ReportVerdict =
  | { readonly kind: 'applied' }
  /** Out of order or of an old epoch: not applied, not acknowledged. */
  | { readonly kind: 'stale' }
  /** Runs the report claims that were never issued to this member: counted; the rest is applied. */
  | { readonly kind: 'appliedInPart'; readonly foreignRuns: readonly RunId[] };

export interface Fleet {
  /** Caches have synced and the recovery barrier allows talking: before this no Desired is sent, no report acknowledged. */
  readonly ready: boolean;
  admission(member: MemberName): MemberAdmission;
  openSession(member: MemberName, facts: SessionFacts): OpenSessionResult;
  /** Does nothing unless `epoch` is the current one: the late end of an old stream never touches a new one. */
  closeSession(member: MemberName, epoch: number): void;
  applyReport(member: MemberName, report: MemberReport, receivedAt: ClockReading): ReportVerdict;
  /** The hub's whole word for a member, templates included, attachments not yet resolved (empty). */
  desired(member: MemberName): DesiredContent;
  /** The run's references cannot be read (missing ConfigMap or Secret): the run is cancelled with ReferenceNotFound. */
  referenceProblem(run: RunId, message: string): void;
  /** Where a worker's log is: the member of the given attempt (latest when undefined). */
  locateRun(job: JobUid, attempt: number | undefined): { readonly run: RunId; readonly member: MemberName } | undefined;
  /** Coalesced: called after `desired(member)` may have changed. */
  onDesiredChanged(handler: (member: MemberName) => void): () => void;
  /** Called when `admission(member)` may have changed, so that open streams of the revoked are ended. */
  onAdmissionChanged(handler: (member: MemberName) => void): () => void;
}
