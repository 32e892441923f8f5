/**
 * How a core/v1 Event looks: its name, reference, message and count. Pure.
 *
 * Events about cluster-scoped objects live in `default`, where `kubectl describe` looks for them.
 */
import { createHash } from 'node:crypto';
import type { KubeObject, ObjectMeta } from './object.ts';

export interface EventInput {
  readonly regarding: KubeObject & { readonly apiVersion: string; readonly kind: string };
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  /** Cut at 1,024 characters. */
  readonly message: string;
}

/** core/v1 Event, as far as we write it. */
export interface EventObject extends KubeObject {
  readonly metadata: ObjectMeta & { readonly name: string; readonly namespace: string };
  readonly involvedObject: Readonly<Record<string, string | undefined>>;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly source: { readonly component: string; readonly host: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
}

export interface EventParts {
  readonly input: EventInput;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly component: string;
  readonly instance: string;
  /** Makes names of one process differ. */
  readonly sequence: number;
}

const longestMessage = 1_024;
/** Object names may have 253 characters; the event's suffix takes 29. */
const longestNamePart = 220;

/** Equal for events that count as one. */
export function eventKey(event: EventInput): string {
  const { kind, metadata } = event.regarding;
  const object = metadata.uid ?? `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
  return JSON.stringify([kind, object, event.type, event.reason, event.message]);
}

/** A new event, counting `count` occurrences. */
export function newEvent(parts: EventParts): EventObject {
  const { input, component, instance } = parts;
  const { apiVersion, kind, metadata } = input.regarding;
  const namespace = metadata.namespace ?? 'default';
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, name: eventName(parts) },
    involvedObject: {
      apiVersion,
      kind,
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    },
    type: input.type,
    reason: input.reason,
    message: input.message.slice(0, longestMessage),
    source: { component, host: instance },
    reportingComponent: component,
    reportingInstance: instance,
    count: parts.count,
    firstTimestamp: seconds(parts.firstMs),
    lastTimestamp: seconds(parts.lastMs),
  };
}

/** Merge patch for a repetition. */
export function bumpPatch(count: number, lastMs: number): unknown {
  return { count, lastTimestamp: seconds(lastMs) };
}

/** Unique per process by sequence, across processes and restarts by instance and time. */
function eventName(parts: EventParts): string {
  const { instance, sequence, firstMs } = parts;
  const unique = createHash('sha256').update(`${instance}/${sequence}/${firstMs}`).digest('hex').slice(0, 16);
  return `${(parts.input.regarding.metadata.name ?? 'object').slice(0, longestNamePart)}.${unique}`;
}

/** metav1.Time has whole seconds. */
function seconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
