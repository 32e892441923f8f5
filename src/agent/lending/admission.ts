/**
 * What the owner's policy says to one order or one running guest. Pure: state, calendar view and identity are handed in.
 *
 * Order of questions (the first that refuses names the reason): is there a policy that can be read; paused; window; the
 * tenant; jurisdictions (the policy's word against the certificate's, then the job's, then that of its data); images.
 * A running guest is asked the same again, with two differences: a policy that is absent or invalid ends nothing, since a
 * slip of the pen must not kill work, and a guest may stay where only the certificate or the images are not known.
 * Leaves out the pod template (runs/template) and capacity (inventory).
 */
import type { Jurisdiction, TenantName } from '../../core/model/ids.ts';
import { hasDigest, imageAllowed } from '../../core/model/image-patterns.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type { CompiledPolicy } from './compile-policy.ts';
import type { PolicyRefusal } from './lending-reader.ts';

/** Where the policy stands, closed. */
export type PolicyState =
  | { readonly kind: 'Absent'; readonly message: string }
  /** It is there but the agent cannot see it now. The last one read is kept for the guests that run. */
  | { readonly kind: 'Unreadable'; readonly message: string; readonly policy?: CompiledPolicy }
  /** The last valid one is kept for the guests that run. */
  | { readonly kind: 'Invalid'; readonly message: string; readonly policy?: CompiledPolicy }
  | { readonly kind: 'Paused'; readonly policy: CompiledPolicy }
  | { readonly kind: 'OutsideWindow'; readonly policy: CompiledPolicy; readonly opensAtMs?: number }
  | { readonly kind: 'Lending'; readonly policy: CompiledPolicy };

/** What the questions are about. */
export interface GuestFacts {
  readonly tenant: TenantName;
  readonly images: readonly string[];
  /** Jurisdictions that the tenant allows; empty = any. Absent = not known (a run taken over after a restart). */
  readonly jurisdictions?: readonly Jurisdiction[];
}

/** May a new guest start? */
export function admitGuest(
  state: PolicyState,
  guest: GuestFacts,
  certified: Jurisdiction | undefined,
): Result<void, PolicyRefusal> {
  switch (state.kind) {
    case 'Absent':
    case 'Unreadable':
    case 'Invalid':
      return refused(`the owner lends nothing: ${state.message}`);
    case 'Paused':
    case 'OutsideWindow':
      return closed(state);
    case 'Lending':
      if (guest.images.length === 0) return refused('the template names no image');
      if (certified === undefined && state.policy.jurisdiction !== undefined) {
        return jurisdictionRefused('the member has no certificate that states its jurisdiction');
      }
      return questions(state.policy, guest, certified);
  }
}

/** Must a running guest end? `ok` = it may stay. */
export function judgeGuest(
  state: PolicyState,
  guest: GuestFacts,
  certified: Jurisdiction | undefined,
): Result<void, PolicyRefusal> {
  switch (state.kind) {
    case 'Absent':
    case 'Unreadable':
    case 'Invalid':
      return ok(undefined);
    case 'Paused':
    case 'OutsideWindow':
      return closed(state);
    case 'Lending':
      return questions(state.policy, guest, certified);
  }
}

function closed(state: Extract<PolicyState, { kind: 'Paused' | 'OutsideWindow' }>): Result<void, PolicyRefusal> {
  return refused(
    state.kind === 'Paused' ? 'the owner has paused lending' : "it is outside the owner's lending windows",
  );
}

function questions(
  policy: CompiledPolicy,
  guest: GuestFacts,
  certified: Jurisdiction | undefined,
): Result<void, PolicyRefusal> {
  if (policy.tenants !== undefined && !policy.tenants.includes(guest.tenant)) {
    return refused(`the owner does not lend to tenant ${guest.tenant}`);
  }
  const jurisdictions = jurisdictionQuestions(policy, guest, certified);
  return jurisdictions.ok ? imageQuestions(policy, guest.images) : jurisdictions;
}

function jurisdictionQuestions(
  policy: CompiledPolicy,
  guest: GuestFacts,
  certified: Jurisdiction | undefined,
): Result<void, PolicyRefusal> {
  const own = policy.jurisdiction;
  if (own !== undefined && certified !== undefined && own !== certified) {
    return jurisdictionRefused(`the owner states jurisdiction ${own}, the member's certificate says ${certified}`);
  }
  const wanted = guest.jurisdictions;
  if (wanted === undefined) return ok(undefined);
  const here = own ?? certified;
  if (wanted.length > 0 && (here === undefined || !wanted.includes(here))) {
    return jurisdictionRefused(
      `the job allows ${wanted.join(', ')}, this cluster is in ${here ?? 'no stated jurisdiction'}`,
    );
  }
  return dataQuestion(policy.dataJurisdictions, wanted);
}

function dataQuestion(taken: readonly Jurisdiction[], wanted: readonly Jurisdiction[]): Result<void, PolicyRefusal> {
  if (taken.length === 0 || wanted.some((one) => taken.includes(one))) return ok(undefined);
  const said = wanted.length === 0 ? 'states none' : `allows ${wanted.join(', ')}`;
  return jurisdictionRefused(`the owner takes data of ${taken.join(', ')} only, the job ${said}`);
}

function imageQuestions(policy: CompiledPolicy, images: readonly string[]): Result<void, PolicyRefusal> {
  for (const image of images) {
    if (policy.requireDigest && !hasDigest(image)) {
      return refused(`image ${shown(image)} is not given by digest, which the owner requires`);
    }
    if (policy.imagePatterns !== undefined && !imageAllowed(image, policy.imagePatterns)) {
      return refused(`image ${shown(image)} matches no pattern that the owner allows`);
    }
  }
  return ok(undefined);
}

function shown(image: string): string {
  return JSON.stringify(image.length > 200 ? `${image.slice(0, 200)}...` : image);
}

function refused(message: string): Result<void, PolicyRefusal> {
  return err({ cause: 'PolicyRefused', message });
}

function jurisdictionRefused(message: string): Result<void, PolicyRefusal> {
  return err({ cause: 'JurisdictionRefused', message });
}
