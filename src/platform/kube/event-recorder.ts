/** core/v1 Events with aggregation: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricsRegistry } from '../metrics/registry.ts';
import type { KubeClient } from './kube-client.ts';
import type { KubeObject } from './object.ts';

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** `source.component`, e.g. `lumbung-hub`. */
  readonly component: string;
  /** `reportingInstance`, e.g. the pod's name. */
  readonly instance: string;
  readonly logger: Logger;
  readonly metrics?: MetricsRegistry;
  /** Waiting events; above it the newest are dropped and counted. Default 1000. */
  readonly queueLimit?: number;
  /** Tokens per object; default 25, one back per 60 s. */
  readonly burstPerObject?: number;
}

export interface EventInput {
  readonly regarding: KubeObject & { readonly apiVersion: string; readonly kind: string };
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

export interface EventRecorder extends Runnable {
  /** Never throws, never waits. */
  record(event: EventInput): void;
  /** Events dropped so far, by rate, full queue or refusal of the server. */
  readonly dropped: number;
}

export declare function createEventRecorder(options: EventRecorderOptions): EventRecorder;
