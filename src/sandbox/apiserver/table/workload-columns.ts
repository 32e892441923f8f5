/** Columns of Jobs and of the apps group. */
import { type ApiObject, type JsonObject, numberAt, objectAt, objectsAt, stringAt } from '../json-value.ts';
import type { Column } from '../registry/resource.ts';
import { ageCell, ageColumn, nameColumn, shortDuration } from './cells.ts';
import { at, count, integer, selectorText, text, wide } from './column-notation.ts';

function containers(object: ApiObject): readonly JsonObject[] {
  const spec = objectAt(object, 'spec');
  const template = objectAt(spec, 'template') ?? objectAt(objectAt(objectAt(spec, 'jobTemplate'), 'spec'), 'template');
  return objectsAt(objectAt(template, 'spec'), 'containers');
}

function joined(field: string): (object: ApiObject) => string {
  return (object) =>
    containers(object)
      .map((container) => stringAt(container, field) ?? '')
      .join(',');
}

const TEMPLATE_COLUMNS = [wide('Containers', joined('name')), wide('Images', joined('image'))];
const SELECTOR = wide('Selector', (object) => selectorText(objectAt(objectAt(object, 'spec'), 'selector')));

function hasCondition(object: ApiObject, type: string): boolean {
  return objectsAt(objectAt(object, 'status'), 'conditions').some((c) => c['type'] === type && c['status'] === 'True');
}

function jobStatus(job: ApiObject): string {
  if (hasCondition(job, 'Complete')) return 'Complete';
  if (hasCondition(job, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (hasCondition(job, 'Suspended')) return 'Suspended';
  if (hasCondition(job, 'FailureTarget')) return 'FailureTarget';
  return hasCondition(job, 'SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function completions(job: ApiObject): string {
  const spec = objectAt(job, 'spec');
  const succeeded = numberAt(objectAt(job, 'status'), 'succeeded') ?? 0;
  const wanted = numberAt(spec, 'completions');
  if (wanted !== undefined) return `${succeeded}/${wanted}`;
  const parallelism = numberAt(spec, 'parallelism') ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration(job: ApiObject, nowMs: number): string {
  const status = objectAt(job, 'status');
  const start = stringAt(status, 'startTime');
  if (start === undefined) return '';
  const end = stringAt(status, 'completionTime');
  return end === undefined ? ageCell(start, nowMs) : shortDuration(Date.parse(end) - Date.parse(start));
}

export const JOB_COLUMNS: readonly Column[] = [
  nameColumn,
  text('Status', jobStatus),
  text('Completions', completions),
  text('Duration', jobDuration),
  ageColumn,
  ...TEMPLATE_COLUMNS,
  SELECTOR,
];

function readyOf(object: ApiObject): string {
  const ready = numberAt(objectAt(object, 'status'), 'readyReplicas') ?? 0;
  return `${ready}/${numberAt(objectAt(object, 'spec'), 'replicas') ?? 0}`;
}

function lastSchedule(object: ApiObject, nowMs: number): string {
  const last = stringAt(objectAt(object, 'status'), 'lastScheduleTime');
  return last === undefined ? '<none>' : ageCell(last, nowMs);
}

export const WORKLOAD_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  'apps/deployments': [
    nameColumn,
    text('Ready', readyOf),
    integer('Up-to-date', count('status.updatedReplicas')),
    integer('Available', count('status.availableReplicas')),
    ageColumn,
    ...TEMPLATE_COLUMNS,
    SELECTOR,
  ],
  'apps/replicasets': [
    nameColumn,
    integer('Desired', count('spec.replicas')),
    integer('Current', count('status.replicas')),
    integer('Ready', count('status.readyReplicas')),
    ageColumn,
    ...TEMPLATE_COLUMNS,
    SELECTOR,
  ],
  'apps/statefulsets': [nameColumn, text('Ready', readyOf), ageColumn, ...TEMPLATE_COLUMNS],
  'apps/daemonsets': [
    nameColumn,
    integer('Desired', count('status.desiredNumberScheduled')),
    integer('Current', count('status.currentNumberScheduled')),
    integer('Ready', count('status.numberReady')),
    integer('Up-to-date', count('status.updatedNumberScheduled')),
    integer('Available', count('status.numberAvailable')),
    text('Node Selector', (object) => {
      const spec = objectAt(objectAt(objectAt(object, 'spec'), 'template'), 'spec');
      return selectorText({ matchLabels: objectAt(spec, 'nodeSelector') ?? {} });
    }),
    ageColumn,
    ...TEMPLATE_COLUMNS,
    SELECTOR,
  ],
  'batch/cronjobs': [
    nameColumn,
    text('Schedule', at('spec.schedule')),
    text('Timezone', at('spec.timeZone')),
    text('Suspend', (object) => (objectAt(object, 'spec')?.['suspend'] === true ? 'True' : 'False')),
    integer('Active', (object) => objectsAt(objectAt(object, 'status'), 'active').length),
    text('Last Schedule', lastSchedule),
    ageColumn,
    ...TEMPLATE_COLUMNS,
  ],
};
