/** A live, indexed copy of one resource type: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { KubeClient } from './kube-client.ts';
import type { KubeObject, ResourceType } from './object.ts';
import type { Store } from './store.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType;
  /** One namespace; absent = all. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Fixed when made. An index function that throws indexes the object under nothing and is logged. */
  readonly indexers?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /** Default 500. */
  readonly pageSize?: number;
  /** Makes stored objects smaller, e.g. drops fields; managedFields are dropped in any case. Must be pure. */
  readonly transform?: (object: T) => T;
  /** Deep-freezes stored objects so that a writer is found out; for tests. Default false: objects are shared, never change them. */
  readonly freeze?: boolean;
}

export type ReflectorState =
  | { readonly kind: 'Empty' }
  | { readonly kind: 'Listing'; readonly received: number }
  | { readonly kind: 'Watching'; readonly resourceVersion: string }
  | {
      readonly kind: 'Backoff';
      readonly failures: number;
      readonly untilMonotonicMs: number;
      readonly resourceVersion?: string;
    }
  | { readonly kind: 'Stopped' };

export interface Reflector<T extends KubeObject> extends Runnable {
  readonly store: Store<T>;
  readonly state: ReflectorState;
}

export declare function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T>;
