/**
 * What a member still has for new work: the offers of its last report, less placements that the report does not list yet.
 *
 * Invariant: a run is taken off exactly once, by the member (its report lists every run it has booked) or here, never by
 * both and never by neither. Amounts may fall below zero where the member took its offer back meanwhile; nothing fits then.
 */
import { runKey, type NodeName } from '../../core/model/ids.ts';
import type { NodeOffer } from '../../core/model/member.ts';
import { subtractResources, type Resources } from '../../core/model/resources.ts';
import type { NodeShare } from '../../core/model/run.ts';
import { compareStrings } from '../../std/ordering.ts';
import { runOf, sourceOf, type JobEntry } from './job-book.ts';
import type { MemberEntry } from './member-record.ts';

interface Booking {
  readonly nodes: readonly NodeShare[];
  /** Without GPUs. */
  readonly worker: Resources;
  readonly gpusPerWorker: number;
}

/** Sorted by node name. `jobs` are those whose live or assumed run is on the member. */
export function freeNodes(member: MemberEntry, jobs: Iterable<JobEntry>): readonly NodeOffer[] {
  const offers = member.report?.offers ?? [];
  const taken = new Map<NodeName, Booking[]>();
  for (const job of jobs) {
    const run = runOf(job);
    if (run === undefined || member.runs.has(runKey(run.terms.id))) continue;
    const worker = sourceOf(job)?.spec.workerRequests ?? { pods: 1 };
    const booking = { nodes: run.terms.nodes, worker, gpusPerWorker: run.terms.gpusPerWorker };
    for (const share of run.terms.nodes) taken.set(share.node, [...(taken.get(share.node) ?? []), booking]);
  }
  return offers
    .map((offer) => lessBookings(offer, taken.get(offer.node)))
    .sort((a, b) => compareStrings(a.node, b.node));
}

function lessBookings(offer: NodeOffer, bookings: readonly Booking[] | undefined): NodeOffer {
  if (bookings === undefined) return offer;
  const free = bookings.reduce<Resources>((left, booking) => {
    const workers = booking.nodes.find((share) => share.node === offer.node)?.workers ?? 0;
    const afterWorkers = subtractResources(left, booking.worker, workers);
    return subtractResources(afterWorkers, { [offer.gpuResource]: booking.gpusPerWorker }, workers);
  }, offer.free);
  return { ...offer, free };
}
