/**
 * One node with everything that bears on lending it, at one moment; and whether it is lent at all.
 *
 * Order of the reasons why a node is not lent: no whole GPUs, shared boards, not ready, cordoned, what its pods hold cannot be
 * read, not selected by the policy, a taint that the policy does not tolerate. Leaves out amounts (offers.ts).
 */
import type { Resources } from '../../core/model/resources.ts';
import { firstUntolerated } from '../../core/model/tolerations.ts';
import type { CompiledPolicy } from '../lending/compile-policy.ts';
import type { NodeView } from './slim-node.ts';

export interface NodeState {
  readonly name: string;
  readonly view: NodeView;
  /** Held by bound owner pods. */
  readonly owner: Resources;
  /** Held by bound guest pods. */
  readonly guests: Resources;
  /** Held by bookings that have not become pods yet. */
  readonly booked: Resources;
  /** Wanted by owner pods that wait and would fit here if no guest were here. */
  readonly wanted: Resources;
  /** The most GPUs the owner held within `idleBeforeLend`. */
  readonly recentOwnerGpus: number;
  readonly readable: boolean;
}

export type NotLentReason =
  | 'NoWholeGpu'
  | 'SharedDevice'
  | 'NodeNotReady'
  | 'NodeCordoned'
  | 'PodUnreadable'
  | 'NotSelected'
  | 'UntoleratedTaint';

/** Why the node is not lent; undefined = it is. */
export function notLentReason(
  node: NodeState,
  policy: Pick<CompiledPolicy, 'nodeSelector' | 'tolerations'>,
): NotLentReason | undefined {
  const { view } = node;
  if (view.gpu === undefined) return 'NoWholeGpu';
  if (view.gpu.sharing.kind !== 'Exclusive') return 'SharedDevice';
  if (!view.ready) return 'NodeNotReady';
  if (view.cordoned) return 'NodeCordoned';
  if (!node.readable) return 'PodUnreadable';
  if (!selects(policy.nodeSelector, view.labels)) return 'NotSelected';
  return firstUntolerated(view.taints, policy.tolerations) === undefined ? undefined : 'UntoleratedTaint';
}

/** Whether labels carry every pair of a nodeSelector. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
