/** Forgets events an hour after they were last written, as the real server's storage does. */
import type { Timer } from '../../../platform/clock/clock.ts';
import type { Cluster } from '../cluster.ts';
import { type ApiObject, stringAt } from '../json-value.ts';
import { resourceKey } from '../storage/object-store.ts';

const TTL_MS = 60 * 60_000;
const SWEEP_MS = 60_000;
const EVENTS = [resourceKey('', 'events'), resourceKey('events.k8s.io', 'events')];

function lastSeenMs(event: ApiObject): number {
  const times = [stringAt(event, 'lastTimestamp'), stringAt(event, 'eventTime'), event.metadata.creationTimestamp];
  return Math.max(0, ...times.map((time) => (time === undefined ? 0 : Date.parse(time) || 0)));
}

/** Sweeps until the timer is cancelled. */
export function startEventExpiry(cluster: Cluster): Timer {
  return cluster.clock.every(SWEEP_MS, () => {
    const oldest = cluster.clock.nowMs() - TTL_MS;
    for (const resource of EVENTS) {
      for (const event of [...cluster.store.values(resource)]) {
        if (lastSeenMs(event) < oldest) cluster.store.remove(resource, event);
      }
    }
  });
}
