/**
 * The agent's whole report. Its inventory is left out when the hub already has it under the hash.
 * Invariants: runs are distinct by (job UID, fence); a hash is 32 bytes or absent.
 */
import * as ids from '../core/model/ids.ts';
import type { MemberReport } from '../core/model/member.ts';
import type { FieldChecks } from './field-checks.ts';
import type * as proto from './generated/lumbung/federation/v1/federation.ts';
import { decodeInventory, encodeInventory, OMITTED_INVENTORY, type Inventory } from './inventory-codec.ts';
import { decodeRunReport, encodeRunReport } from './run-report-codec.ts';
import type { AgentMessage } from './session-messages.ts';
import * as limits from './wire-limits.ts';
import { decodeGeneration, decodeUid, encodeGeneration } from './wire-values.ts';

type ReportMessage = Extract<AgentMessage, { kind: 'report' }>;

const NO_BYTES = new Uint8Array(0);

function hashBytes(hash: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hash, 'hex'));
}

export function encodeReport(message: ReportMessage): proto.Report {
  const { report, inventoryOmitted } = message;
  const hash = hashBytes(message.inventoryHash);
  const inventory = inventoryOmitted
    ? { policy: undefined, window: undefined, offers: [], gpus: [] }
    : encodeInventory(report);
  return {
    epoch: BigInt(report.epoch),
    sequence: BigInt(report.sequence),
    acknowledged: report.acknowledged === undefined ? undefined : encodeGeneration(report.acknowledged),
    clusterUid: report.clusterUid,
    agentVersion: report.agentVersion,
    kubernetesVersion: report.kubernetesVersion,
    ...inventory,
    runs: report.runs.map(encodeRunReport),
    unchangedInventoryHash: inventoryOmitted ? hash : NO_BYTES,
    inventoryHash: inventoryOmitted ? NO_BYTES : hash,
  };
}

function decodeHash(checks: FieldChecks, path: string, bytes: Uint8Array): string {
  if (bytes.length !== 0 && bytes.length !== 32) checks.problem(path, `must have 32 bytes, has ${bytes.length}`);
  return Buffer.from(bytes).toString('hex');
}

export function decodeReport(checks: FieldChecks, raw: proto.Report): ReportMessage {
  const inventoryOmitted = raw.unchangedInventoryHash.length > 0;
  const inventoryHash = inventoryOmitted
    ? decodeHash(checks, 'unchangedInventoryHash', raw.unchangedInventoryHash)
    : decodeHash(checks, 'inventoryHash', raw.inventoryHash);
  const inventory = inventoryOmitted ? OMITTED_INVENTORY : decodeInventory(checks, raw);
  const runs = checks.list('runs', raw.runs, limits.RUNS_MAX, (at, run) => decodeRunReport(checks, at, run));
  const report: MemberReport = {
    clusterUid: ids.clusterUid(decodeUid(checks, 'clusterUid', raw.clusterUid)),
    agentVersion: checks.text('agentVersion', raw.agentVersion, { max: limits.NAME_MAX }),
    kubernetesVersion: checks.text('kubernetesVersion', raw.kubernetesVersion, { max: limits.NAME_MAX }),
    epoch: checks.whole('epoch', raw.epoch),
    sequence: checks.whole('sequence', raw.sequence),
    ...(raw.acknowledged === undefined
      ? {}
      : { acknowledged: decodeGeneration(checks, 'acknowledged', raw.acknowledged) }),
    ...inventory,
    runs: checks.distinct('runs', runs, (run) => ids.runKey(run.id)),
  };
  return { kind: 'report', report, inventoryHash, inventoryOmitted };
}

/** The report as if it had carried this inventory: what the hub does when it holds the one that the hash names. */
export function withInventory(report: MemberReport, inventory: Inventory): MemberReport {
  const { policy, window, offers, gpus } = inventory;
  return { ...report, policy, window, offers, gpus };
}
