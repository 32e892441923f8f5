/** What every part of the server works on: the stored objects, the served types, time and chance. */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { UserInfo } from './authn/user-info.ts';
import type { ApiObject } from './json-value.ts';
import type { Resource, WriteContext } from './registry/resource.ts';
import type { Registry } from './registry/registry.ts';
import { type ObjectStore, resourceKey } from './storage/object-store.ts';

export interface Cluster {
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  /** Further checks of every create and update; they throw ApiError. */
  readonly guards: WriteGuard[];
}

export interface GuardedWrite {
  readonly resource: Resource;
  readonly object: ApiObject;
  /** Undefined on create. */
  readonly old: ApiObject | undefined;
  readonly user: UserInfo;
}

export type WriteGuard = (write: GuardedWrite) => void;

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export function timeText(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

export function writeContext(cluster: Cluster, user: UserInfo): WriteContext {
  return {
    user,
    now: timeText(cluster.clock.nowMs()),
    get: (group, plural, namespace, name) => cluster.store.get(resourceKey(group, plural), namespace, name),
    values: (group, plural, namespace) => cluster.store.values(resourceKey(group, plural), namespace),
  };
}
