/**
 * What the member's own scheduler did while no agent looked: pods of guests that it took away for owner pods and that are
 * gone by now. The scheduler leaves an Event (reason `Preempted`) about each victim; without it a pod that vanished would
 * count as deleted by somebody, and the guest's history would not say that the owner took its GPUs back.
 *
 * Read once, after a restart, in the namespaces of runs that lack pods: one list each. An Event that was never written or has
 * expired (after an hour, by default) leaves the cause as it was; nothing but the cause depends on it.
 */
import type { WorkerFacts } from '../../core/run/worker-verdict.ts';
import { events } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';

interface EventObject extends KubeObject {
  readonly involvedObject?: { readonly kind?: string; readonly name?: string };
  readonly reason?: string;
  readonly eventTime?: string | null;
  readonly firstTimestamp?: string | null;
}

/** Victims in one namespace, as facts of workers that are gone; `job` is the Job whose pods they were. */
export interface MissedPreemption {
  readonly job: string;
  readonly facts: WorkerFacts;
}

/** Throws KubeError or KubeUnreachable. */
export async function readMissedPreemptions(
  client: KubeClient,
  namespace: string,
): Promise<readonly MissedPreemption[]> {
  const { items } = await client.list<EventObject>(events, { namespace, fieldSelector: 'reason=Preempted' });
  return items.flatMap((event) => {
    const { kind, name = '' } = event.involvedObject ?? {};
    // Pods of an Indexed Job are named <job>-<index>-<random>.
    const [, job, index] = /^(.+)-(\d{1,6})-[a-z0-9]+$/.exec(name) ?? [];
    if (event.reason !== 'Preempted' || kind !== 'Pod' || job === undefined || index === undefined) return [];
    const atMs = parseTimestamp(event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp);
    const facts: WorkerFacts = {
      index: Number(index),
      pod: name,
      state: 'Gone',
      disruption: 'Preempted',
      unreachable: false,
      ...(atMs === undefined ? {} : { deletionAskedAtMs: atMs }),
    };
    return [{ job, facts }];
  });
}
