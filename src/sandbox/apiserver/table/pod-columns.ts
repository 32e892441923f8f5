/** What `kubectl get pods` shows: the status word is worked out of phase, container states and deletion. */
import { type ApiObject, type JsonObject, numberAt, objectAt, objectsAt, stringAt } from '../json-value.ts';
import type { Column } from '../registry/resource.ts';
import { ageCell, ageColumn, nameColumn } from './cells.ts';
import { at, type CellValue, text, wide } from './column-notation.ts';

function statuses(pod: ApiObject, field: string): readonly JsonObject[] {
  return objectsAt(objectAt(pod, 'status'), field);
}

function ended(terminated: JsonObject | undefined): string | undefined {
  if (terminated === undefined) return undefined;
  const reason = stringAt(terminated, 'reason') ?? '';
  if (reason !== '') return reason;
  const signal = numberAt(terminated, 'signal') ?? 0;
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(terminated, 'exitCode') ?? 0}`;
}

/** The init container that holds the pod up, if one does. */
function initStatus(pod: ApiObject): string | undefined {
  const list = statuses(pod, 'initContainerStatuses');
  const total = objectsAt(objectAt(pod, 'spec'), 'initContainers').length;
  for (const [i, status] of list.entries()) {
    const state = objectAt(status, 'state');
    const terminated = objectAt(state, 'terminated');
    if (terminated !== undefined && numberAt(terminated, 'exitCode') === 0) continue;
    if (terminated !== undefined) return `Init:${ended(terminated) ?? ''}`;
    const waiting = stringAt(objectAt(state, 'waiting'), 'reason') ?? '';
    if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`;
    return `Init:${i}/${total}`;
  }
  return undefined;
}

function containerStatus(pod: ApiObject, fallback: string): string {
  let word = fallback;
  let running = false;
  for (const status of [...statuses(pod, 'containerStatuses')].reverse()) {
    const state = objectAt(status, 'state');
    const waiting = stringAt(objectAt(state, 'waiting'), 'reason') ?? '';
    if (waiting !== '') word = waiting;
    else word = ended(objectAt(state, 'terminated')) ?? word;
    if (status['ready'] === true && objectAt(state, 'running') !== undefined) running = true;
  }
  return word === 'Completed' && running ? 'Running' : word;
}

function statusWord(pod: ApiObject): string {
  const status = objectAt(pod, 'status');
  const phase = stringAt(status, 'phase') ?? 'Unknown';
  const reason = stringAt(status, 'reason') ?? '';
  const gated = objectsAt(status, 'conditions').some(
    (c) => c['type'] === 'PodScheduled' && c['reason'] === 'SchedulingGated',
  );
  const finished = phase === 'Succeeded' || phase === 'Failed';
  const word = initStatus(pod) ?? containerStatus(pod, gated ? 'SchedulingGated' : reason === '' ? phase : reason);
  if (pod.metadata.deletionTimestamp === undefined || finished) return word;
  return reason === 'NodeLost' ? 'Unknown' : 'Terminating';
}

function ready(pod: ApiObject): string {
  const total = objectsAt(objectAt(pod, 'spec'), 'containers').length;
  const count = statuses(pod, 'containerStatuses').filter((status) => status['ready'] === true).length;
  return `${count}/${total}`;
}

function restarts(pod: ApiObject, nowMs: number): string {
  const list = statuses(pod, 'containerStatuses');
  const total = list.reduce((sum, status) => sum + (numberAt(status, 'restartCount') ?? 0), 0);
  const times = list.map(
    (status) => stringAt(objectAt(objectAt(status, 'lastState'), 'terminated'), 'finishedAt') ?? '',
  );
  const last = times.sort().at(-1) ?? '';
  return total > 0 && last !== '' ? `${total} (${ageCell(last, nowMs)} ago)` : String(total);
}

function gates(pod: ApiObject): CellValue {
  const wanted = objectsAt(objectAt(pod, 'spec'), 'readinessGates');
  if (wanted.length === 0) return '<none>';
  const conditions = statuses(pod, 'conditions');
  const passed = wanted.filter((gate) =>
    conditions.some((c) => c['type'] === gate['conditionType'] && c['status'] === 'True'),
  );
  return `${passed.length}/${wanted.length}`;
}

export const POD_COLUMNS: readonly Column[] = [
  nameColumn,
  text('Ready', ready),
  text('Status', statusWord),
  text('Restarts', restarts),
  ageColumn,
  wide('IP', at('status.podIP')),
  wide('Node', at('spec.nodeName')),
  wide('Nominated Node', at('status.nominatedNodeName')),
  wide('Readiness Gates', gates),
];
