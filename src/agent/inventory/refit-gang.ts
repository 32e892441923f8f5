/**
 * Fits a whole gang against the live state of this cluster, right before its objects are made. Pure.
 *
 * Invariants: all workers or none; within free capacity of each node and the budget over all; only nodes of the ordered GPU
 * model and resource that the template's own terms allow; the hub's choice first, in its order, then other nodes of the same
 * class, those with the fewest free GPUs that still take a worker first. Same state, same answer.
 */
import { nodeName } from '../../core/model/ids.ts';
import type { LabelRequirement } from '../../core/model/job.ts';
import { firstShortage, timesFitting, type Resources } from '../../core/model/resources.ts';
import type { NodeShare, RunOrder } from '../../core/model/run.ts';
import { nodeMeetsTerms } from '../../core/model/selectors.ts';
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type { RefitShortage } from './inventory-reader.ts';
import type { LendableNode, LendableView } from './offers.ts';

export interface GangRequest {
  readonly order: Pick<RunOrder, 'workers' | 'gpuModel' | 'gpuResource' | 'nodes'>;
  /** What one worker requests, GPUs included. */
  readonly perWorker: Resources;
  /** The template's own node terms. */
  readonly nodeTerms: readonly (readonly LabelRequirement[])[];
}

/** Shares that sum to the gang's workers, in the order in which nodes were taken; or why it does not fit. */
export function refitGang(view: LendableView, request: GangRequest): Result<readonly NodeShare[], RefitShortage> {
  const { order, perWorker } = request;
  const needGpus = order.workers * (perWorker[order.gpuResource] ?? 0);
  if (needGpus > view.budgetGpus) {
    return err({
      message: `needs ${needGpus} GPUs, the owner's cap and reserve leave ${view.budgetGpus} of them on this cluster`,
    });
  }
  const candidates = view.nodes.filter((node) => isOfClass(node, request));
  const shares: NodeShare[] = [];
  let missing = order.workers;
  for (const { node, wanted } of inTurn(candidates, order.nodes)) {
    const already = shares.find((share) => share.node === node.state.name)?.workers ?? 0;
    const workers = Math.min(missing, wanted, timesFitting(node.free, perWorker) - already);
    if (workers <= 0) continue;
    addShare(shares, node.state.name, workers);
    missing -= workers;
    if (missing === 0) return ok(shares);
  }
  return err({ message: shortageOf(candidates, request, order.workers - missing) });
}

/** First what the hub chose, as many as it chose; then every node of the class without a limit. */
function inTurn(
  candidates: readonly LendableNode[],
  chosen: readonly NodeShare[],
): readonly { readonly node: LendableNode; readonly wanted: number }[] {
  const byHub = chosen.flatMap((share) => {
    const node = candidates.find((one) => one.state.name === share.node);
    return node === undefined ? [] : [{ node, wanted: share.workers }];
  });
  const chosenNames = new Set<string>(chosen.map((share) => share.node));
  const tightestFirst = compareBy<LendableNode>(
    (a, b) => compareNumbers(chosenNames.has(a.state.name) ? 0 : 1, chosenNames.has(b.state.name) ? 0 : 1),
    (a, b) => compareNumbers(a.freeGpus, b.freeGpus),
    (a, b) => compareStrings(a.state.name, b.state.name),
  );
  const others = sorted(candidates, tightestFirst).map((node) => ({ node, wanted: Number.POSITIVE_INFINITY }));
  return [...byHub, ...others];
}

function isOfClass({ state, gpuResource }: LendableNode, { order, nodeTerms }: GangRequest): boolean {
  return (
    gpuResource === order.gpuResource &&
    state.view.gpu?.model === order.gpuModel &&
    nodeMeetsTerms({ node: state.name, labels: state.view.labels }, nodeTerms)
  );
}

function addShare(shares: NodeShare[], node: string, workers: number): void {
  const at = shares.findIndex((share) => share.node === node);
  const share = shares[at];
  if (share === undefined) shares.push({ node: nodeName(node), workers });
  else shares[at] = { ...share, workers: share.workers + workers };
}

function shortageOf(candidates: readonly LendableNode[], { order, perWorker }: GangRequest, fitting: number): string {
  const start = `${fitting} of ${order.workers} workers fit on the ${candidates.length} lent nodes with ${order.gpuModel}`;
  const roomiest = sorted(candidates, (a, b) => compareNumbers(b.freeGpus, a.freeGpus))[0];
  if (roomiest === undefined) return start;
  const shortage = firstShortage(roomiest.free, perWorker);
  if (shortage === undefined) return start;
  return `${start}; node ${roomiest.state.name} has ${shortage.have} of ${shortage.need} ${shortage.resource} for one`;
}
