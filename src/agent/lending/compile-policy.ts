/**
 * The owner's LendingPolicy as the agent obeys it: decoded, checked beyond what CEL can see, every amount in base units.
 *
 * Invariant: a policy compiles whole or not at all; every problem is named with its path. Leaves out what the policy means
 * for one order (admission.ts) and where it is read from (lending-policy-reader.ts).
 */
import { parseDurationSeconds } from '../../api/schema/duration.ts';
import type { FieldProblem } from '../../api/schema/kind.ts';
import { decodeLendingPolicy, type LendingPolicy, type LendingPolicySpec } from '../../api/v1alpha1/lending-policy.ts';
import { jurisdiction, tenantName, type Jurisdiction, type TenantName } from '../../core/model/ids.ts';
import type { Toleration } from '../../core/model/job.ts';
import { resourceAmount } from '../../core/model/quantity.ts';
import type { Resources } from '../../core/model/resources.ts';
import { err, ok, type Result } from '../../std/result.ts';
import { ALWAYS_OPEN, createCalendar, isTimeZone, type Calendar, type DailyWindow } from './calendar.ts';
import { isCidr } from './cidr.ts';
import type { GuestRules } from './lending-reader.ts';

export type LendingCap =
  { readonly kind: 'Gpus'; readonly gpus: number } | { readonly kind: 'Percent'; readonly percent: number };

export interface CompiledPolicy {
  /** metadata.generation, for the status. */
  readonly generation: number;
  readonly paused: boolean;
  readonly calendar: Calendar;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
  readonly reserveGpus: number;
  /** CPU (milli) and memory (bytes) that stay free on each lent node. */
  readonly reservePerNode: Resources;
  readonly cap?: LendingCap;
  readonly idleBeforeLendMs: number;
  readonly reclaimGraceMs: number;
  /** Absent = all, empty = none. */
  readonly tenants?: readonly TenantName[];
  readonly jurisdiction?: Jurisdiction;
  /** Empty = any. */
  readonly dataJurisdictions: readonly Jurisdiction[];
  /** Absent = all, empty = none. */
  readonly imagePatterns?: readonly string[];
  readonly requireDigest: boolean;
  readonly guestRules: GuestRules;
}

/** Compiles raw JSON; the error lists every problem at once. */
export function compilePolicy(raw: unknown): Result<CompiledPolicy, readonly FieldProblem[]> {
  const decoded = decodeLendingPolicy(raw);
  if (!decoded.ok) return decoded;
  const problems: FieldProblem[] = [];
  const compiled = compileSpec(decoded.value, problems);
  return problems.length > 0 ? err(problems) : ok(compiled);
}

function compileSpec(policy: LendingPolicy, problems: FieldProblem[]): CompiledPolicy {
  const { spec } = policy;
  return {
    generation: policy.metadata.generation ?? 0,
    paused: spec.paused,
    calendar: compileWindows(spec.windows, problems),
    nodeSelector: spec.nodeSelector,
    tolerations: spec.tolerations,
    reserveGpus: spec.reserve.gpus,
    reservePerNode: compileReserve(spec.reserve, problems),
    ...(spec.cap === undefined ? {} : { cap: compileCap(spec.cap) }),
    idleBeforeLendMs: durationMs(spec.idleBeforeLend, 'spec.idleBeforeLend', problems),
    reclaimGraceMs: durationMs(spec.reclaimGrace, 'spec.reclaimGrace', problems),
    ...(spec.tenants === undefined ? {} : { tenants: spec.tenants.map(tenantName) }),
    ...(spec.jurisdiction === undefined ? {} : { jurisdiction: jurisdiction(spec.jurisdiction) }),
    dataJurisdictions: (spec.dataJurisdictions ?? []).map(jurisdiction),
    ...(spec.images.allow === undefined ? {} : { imagePatterns: spec.images.allow }),
    requireDigest: spec.images.requireDigest,
    guestRules: compileGuestRules(spec, problems),
  };
}

function compileGuestRules(spec: LendingPolicySpec, problems: FieldProblem[]): GuestRules {
  spec.egress.allow.forEach((range, index) => {
    if (isCidr(range)) return;
    problems.push({
      path: `spec.egress.allow[${index}]`,
      message: `must be a network range in CIDR form, such as 10.20.0.0/16, got ${JSON.stringify(range)}`,
    });
  });
  return {
    ...(spec.runtimeClassName === undefined ? {} : { runtimeClassName: spec.runtimeClassName }),
    tolerations: spec.tolerations.map(tolerationJson),
    nodeSelector: spec.nodeSelector,
    maxGraceMs: durationMs(spec.reclaimGrace, 'spec.reclaimGrace', []),
    podSecurity: spec.podSecurity,
    allowPrivateRanges: spec.egress.allowPrivateRanges,
    allowedEgressCidrs: spec.egress.allow,
    allowedTemplatePaths: spec.templatePaths.allow,
    finishedRetentionMs: durationMs(spec.finishedRetention, 'spec.finishedRetention', problems),
    logsAllowed: spec.logs === 'Allowed',
  };
}

function tolerationJson(toleration: Toleration): Readonly<Record<string, string>> {
  return {
    ...(toleration.key === undefined ? {} : { key: toleration.key }),
    operator: toleration.operator,
    ...(toleration.value === undefined ? {} : { value: toleration.value }),
    ...(toleration.effect === undefined ? {} : { effect: toleration.effect }),
  };
}

function compileWindows(windows: readonly DailyWindow[] | undefined, problems: FieldProblem[]): Calendar {
  if (windows === undefined) return ALWAYS_OPEN;
  const unknown = windows.flatMap(({ timeZone }, index) =>
    isTimeZone(timeZone)
      ? []
      : [
          {
            path: `spec.windows[${index}].timeZone`,
            message: `must be an IANA time zone such as Asia/Jakarta, got ${JSON.stringify(timeZone)}`,
          },
        ],
  );
  problems.push(...unknown);
  return unknown.length === 0 ? createCalendar(windows) : ALWAYS_OPEN;
}

function compileReserve(reserve: LendingPolicySpec['reserve'], problems: FieldProblem[]): Resources {
  const perNode: Record<string, number> = {};
  for (const name of ['cpu', 'memory'] as const) {
    const text = reserve[name];
    if (text === undefined) continue;
    const amount = resourceAmount(name, text);
    if (amount.ok) perNode[name] = amount.value;
    else
      problems.push({ path: `spec.reserve.${name}`, message: `${amount.error.message}, got ${JSON.stringify(text)}` });
  }
  return perNode;
}

function compileCap(cap: NonNullable<LendingPolicySpec['cap']>): LendingCap {
  return cap.gpus === undefined ? { kind: 'Percent', percent: cap.percent ?? 0 } : { kind: 'Gpus', gpus: cap.gpus };
}

function durationMs(text: string, path: string, problems: FieldProblem[]): number {
  const seconds = parseDurationSeconds(text);
  if (seconds !== undefined) return seconds * 1000;
  problems.push({ path, message: `must be a duration such as 1h30m, got ${JSON.stringify(text)}` });
  return 0;
}
