/**
 * A run's order as JSON: kept in its GuestRun (with the template) and on its Job (without), so that a restarted agent can go
 * on with nothing but its cluster.
 *
 * Invariants: attachments are never part of it; what is read back is checked, since the owner's people can edit both objects.
 */
import { z } from 'zod';
import * as ids from '../../core/model/ids.ts';
import type { RunOrder } from '../../core/model/run.ts';
import { err, ok, type Result } from '../../std/result.ts';

const ms = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const count = z.int().min(1).max(65_536);
const word = z.string().min(1).max(253);

const schema = z.object({
  id: z.object({ jobUid: word, fence: z.int().min(1).max(Number.MAX_SAFE_INTEGER) }),
  job: z.object({ namespace: word, name: word }),
  attempt: z.int().min(1),
  pool: word,
  tenant: word,
  member: word,
  workers: count,
  gpusPerWorker: count,
  gpuModel: word,
  nodes: z.array(z.object({ node: word, workers: count })).max(4096),
  lease: z.object({
    durationMs: ms,
    terminationGraceMs: ms,
    marginMs: ms,
    maxClockDriftPercent: z.int().min(0).max(25),
    replaceAfterMs: ms,
  }),
  onPartition: z.enum(['KeepAndWait', 'Fence', 'AllowDuplicate']),
  maxRuntimeMs: ms,
  startTimeoutMs: ms,
  checkpointGraceMs: ms,
  templateHash: z.string().max(128),
  priority: z.int(),
  gpuResource: word,
  gpuContainer: word,
  rendezvous: z.enum(['Torch', 'None']),
  jurisdictions: z.array(word).max(256),
  /** Absent in a Job's annotation. */
  template: z.unknown().optional(),
});

export type OrderJson = Readonly<Record<string, unknown>>;

/** Everything but attachments. */
export function orderToJson(order: RunOrder): OrderJson {
  const { attachments: _sealed, ...kept } = order;
  return kept;
}

/** The same without the template, for the Job's annotation. */
export function termsToJson(order: RunOrder): OrderJson {
  const { template: _template, ...kept } = orderToJson(order);
  return kept;
}

/** The error names the first field that is not as it was written. */
export function orderFromJson(json: unknown): Result<RunOrder, string> {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return err(`order.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'cannot be read'}`);
  }
  const { data } = parsed;
  return ok({
    ...data,
    id: { jobUid: ids.jobUid(data.id.jobUid), fence: ids.fence(data.id.fence) },
    pool: ids.poolName(data.pool),
    tenant: ids.tenantName(data.tenant),
    member: ids.memberName(data.member),
    gpuModel: ids.gpuModel(data.gpuModel),
    nodes: data.nodes.map((share) => ({ node: ids.nodeName(share.node), workers: share.workers })),
    jurisdictions: data.jurisdictions.map(ids.jurisdiction),
    template: data.template ?? {},
    attachments: [],
  });
}

/** Are these the same frozen terms? Orders repeat in every Desired; a fence's terms never change. */
export function sameTerms(a: RunOrder, b: RunOrder): boolean {
  return JSON.stringify(sortedTerms(a)) === JSON.stringify(sortedTerms(b));
}

/** What must be equal for the same fence. Priority and nodes are the hub's to repeat, not to compare. */
function sortedTerms(order: RunOrder): readonly unknown[] {
  const { lease } = order;
  return [
    [order.id.jobUid, order.id.fence, order.job.namespace, order.job.name, order.pool, order.tenant, order.member],
    [order.workers, order.gpusPerWorker, order.gpuModel, order.gpuResource, order.templateHash, order.onPartition],
    [lease.durationMs, lease.terminationGraceMs, lease.marginMs, lease.maxClockDriftPercent, lease.replaceAfterMs],
    [order.maxRuntimeMs, order.startTimeoutMs, order.checkpointGraceMs],
  ];
}
