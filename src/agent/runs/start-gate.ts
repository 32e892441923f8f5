/**
 * May this order start here and now? Gathers every word that counts, in this order: is it meant for this member; is the
 * member cordoned; the owner's policy; an earlier fence of the job still here; the template's paths; what it refers to; the
 * ground it stands on; the API server's admission; and last, without a pause in between, policy and room once more.
 *
 * Invariant: nothing of the run is made here. What is found on the way (pod, attachments, nodes) is kept for making it.
 */
import { guestNamespace } from '../../api/v1alpha1/child-names.ts';
import type { MemberName } from '../../core/model/ids.ts';
import type { RunOrder } from '../../core/model/run.ts';
import type { Reason, StartGate } from '../../core/run/agent-plan.ts';
import type { Sealer } from '../../platform/pki/sealing.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type { Booking, InventoryReader } from '../inventory/inventory-reader.ts';
import type { GuestRules, LendingReader } from '../lending/lending-reader.ts';
import type { AdmissionProbe } from './admission-probe.ts';
import { openAttachments, type OpenedAttachment } from './guest/copies.ts';
import type { TenantGround } from './tenant-ground.ts';
import { buildPod, type PodTemplate } from './template/build-pod.ts';
import { checkTemplate, problemsText, type CheckedTemplate } from './template/check-template.ts';
import type { TrackedRun } from './tracked-run.ts';

/** What making a run needs; it exists only between the open gate and the made Job. */
export interface PreparedRun {
  readonly rules: GuestRules;
  readonly pod: PodTemplate;
  readonly graceSeconds: number;
  readonly attachments: readonly OpenedAttachment[];
}

export interface StartGateDeps {
  readonly inventory: InventoryReader;
  readonly lending: LendingReader;
  readonly sealer: Pick<Sealer, 'open'>;
  readonly member: MemberName;
  readonly ground: TenantGround;
  readonly probe: AdmissionProbe;
}

export interface GateQuestion {
  readonly run: TrackedRun;
  readonly cordoned: boolean;
  /** A lower fence of the same job of which something is still here. */
  readonly earlier: TrackedRun | undefined;
  /** Of all other runs, read when the answer is due. */
  readonly bookings: () => readonly Booking[];
}

export interface GateAnswer {
  readonly gate: StartGate;
  readonly prepared?: PreparedRun;
}

const refuse = (reason: Reason): GateAnswer => ({ gate: { kind: 'refuse', reason } });
const wait = (message: string): GateAnswer => ({ gate: { kind: 'wait', message } });

/** Throws what the cluster answered when ground or probe could not be asked: ask again later. */
export async function askGate(question: GateQuestion, deps: StartGateDeps): Promise<GateAnswer> {
  const { order } = question.run;
  const early = earlyWord(question, deps);
  if (early !== undefined) return early;
  const rules = deps.lending.guestRules();
  if (rules === undefined) return refuse({ cause: 'PolicyRefused', message: 'the owner lends nothing now' });
  const prepared = prepareRun(order, rules, deps.sealer);
  if (!prepared.ok) return refuse(prepared.error);
  if (!deps.inventory.synced) return wait('waits until the inventory of this cluster is complete');
  const ground = await deps.ground.ensure(order.tenant, rules);
  if (!ground.ok) return refuse({ cause: 'StaleOffer', message: ground.error });
  const likeness = JSON.stringify([order.template, order.gpusPerWorker, order.gpuResource, order.gpuContainer, rules]);
  const admitted = await deps.probe.ask({ namespace: guestNamespace(order.tenant), pod: prepared.value.pod, likeness });
  if (!admitted.ok) return refuse(admitted.error);
  // Time has passed since the first look.
  const late = earlyWord(question, deps);
  return late ?? fit(question, deps, prepared.value);
}

function earlyWord(question: GateQuestion, deps: StartGateDeps): GateAnswer | undefined {
  const { order } = question.run;
  if (order.member !== deps.member) {
    return refuse({ cause: 'Unsupported', message: `the order is for member ${order.member}, this is ${deps.member}` });
  }
  if (question.cordoned) return refuse({ cause: 'Drained', message: 'the member is cordoned' });
  const admitted = deps.lending.admits(order);
  if (!admitted.ok) return refuse(admitted.error);
  if (question.earlier === undefined) return undefined;
  return wait(`waits until fence ${question.earlier.order.id.fence} of the same job has ended here`);
}

function fit(question: GateQuestion, deps: StartGateDeps, prepared: PreparedRun): GateAnswer {
  const { run } = question;
  const placed = deps.inventory.refit(run.order, run.perWorker, question.bookings());
  if (!placed.ok) return refuse({ cause: 'StaleOffer', message: placed.error.message });
  run.nodes = placed.value;
  return { gate: { kind: 'open' }, prepared };
}

/** Everything about the run that needs no cluster: its pod, its grace, its attachments opened. */
export function prepareRun(
  order: RunOrder,
  rules: GuestRules,
  sealer: Pick<Sealer, 'open'>,
): Result<PreparedRun, Reason> {
  const graceSeconds = graceSecondsOf(order, rules.maxGraceMs);
  const checked = readTemplate(order, rules, graceSeconds);
  if (!checked.ok) return checked;
  const attachments = openAttachments(order, checked.value, sealer);
  if (!attachments.ok) return attachments;
  const pod = buildPod(checked.value, order, { rules, graceSeconds });
  return ok({ rules, pod, graceSeconds, attachments: attachments.value });
}

function readTemplate(order: RunOrder, rules: GuestRules, graceSeconds: number): Result<CheckedTemplate, Reason> {
  const { podSecurity, allowedTemplatePaths: allowedPaths } = rules;
  const checked = checkTemplate(order.template, { podSecurity, allowedPaths, graceSeconds });
  if (!checked.ok) return err({ cause: 'TemplateRefused', message: problemsText(checked.error) });
  const containers = checked.value.spec['containers'] as readonly { readonly name?: unknown }[];
  if (containers.some((container) => container.name === order.gpuContainer)) return checked;
  return err({
    cause: 'TemplateRefused',
    message: `template.spec.containers has no container "${order.gpuContainer}" for the GPUs`,
  });
}

/**
 * Seconds between SIGTERM and SIGKILL: what the job asks for, within what the owner allows and, for Fence, within what the
 * hub's bound counts with. At least 1, because 0 would be a forced deletion.
 */
export function graceSecondsOf(order: RunOrder, maxGraceMs: number): number {
  const bounds = [order.checkpointGraceMs, maxGraceMs];
  if (order.onPartition === 'Fence') bounds.push(order.lease.terminationGraceMs);
  return Math.max(1, Math.floor(Math.min(...bounds) / 1000));
}
