/** Jobs: defaults, generated selector, and what may not change once a Job exists. */
import { type FieldError, fieldForbidden, invalidValue, required, unsupported } from '../field-error.ts';
import { type ApiObject, isObject, type JsonObject, numberAt, objectAt, sameJson, stringAt } from '../json-value.ts';
import type { KindRules } from '../registry/resource.ts';
import { checkTemplate, checkUnchanged, defaultPodSpec, fill } from './pod-template.ts';

function setDefaults(job: JsonObject): void {
  const spec = objectAt(job, 'spec');
  if (spec === undefined) return;
  if (spec['completions'] === undefined && spec['parallelism'] === undefined)
    fill(spec, { completions: 1, parallelism: 1 });
  const perIndex = spec['backoffLimitPerIndex'] !== undefined;
  fill(spec, {
    parallelism: 1,
    backoffLimit: perIndex ? 2_147_483_647 : 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: spec['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed',
  });
  const template = objectAt(spec, 'template');
  defaultPodSpec(objectAt(template, 'spec'));
}

/** The controller finds its pods by labels that nobody else uses. */
function generateSelector(job: ApiObject): void {
  const spec = objectAt(job, 'spec');
  if (spec === undefined || spec['manualSelector'] === true || spec['selector'] !== undefined) return;
  const uid = job.metadata.uid ?? '';
  const template = objectAt(spec, 'template') ?? {};
  const metadata = objectAt(template, 'metadata') ?? {};
  const labels = {
    ...objectAt(metadata, 'labels'),
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': job.metadata.name,
    'controller-uid': uid,
    'job-name': job.metadata.name,
  };
  spec['template'] = { ...template, metadata: { ...metadata, labels } };
  spec['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
}

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
] as const;

function checkCounts(spec: JsonObject, errors: FieldError[]): void {
  for (const field of COUNTS) {
    const value = numberAt(spec, field);
    if (value !== undefined && value < 0)
      errors.push(invalidValue(`spec.${field}`, value, 'must be greater than or equal to 0'));
  }
  const mode = stringAt(spec, 'completionMode') ?? 'NonIndexed';
  if (mode !== 'NonIndexed' && mode !== 'Indexed') {
    errors.push(unsupported('spec.completionMode', mode, ['Indexed', 'NonIndexed']));
  }
  if (mode === 'Indexed' && spec['completions'] === undefined) {
    errors.push(required('spec.completions', 'when completion mode is Indexed'));
  }
}

function validate(job: ApiObject, errors: FieldError[]): void {
  const spec = objectAt(job, 'spec') ?? {};
  checkCounts(spec, errors);
  const template = objectAt(spec, 'template');
  checkTemplate(template, 'spec.template', errors);
  const policy = stringAt(objectAt(template, 'spec'), 'restartPolicy') ?? 'Always';
  if (policy === 'Always') {
    errors.push({
      field: 'spec.template.spec.restartPolicy',
      reason: 'FieldValueRequired',
      message: 'Required value: valid values: "OnFailure", "Never"',
    });
  }
  if (spec['podReplacementPolicy'] === 'TerminatingOrFailed' && spec['podFailurePolicy'] !== undefined) {
    errors.push(unsupported('spec.podReplacementPolicy', 'TerminatingOrFailed', ['Failed']));
  }
}

/** A suspended Job that never started may still move: these parts of its template are free then. */
function directives(template: JsonObject | undefined): JsonObject {
  const { metadata: _metadata, spec, ...rest } = template ?? {};
  if (!isObject(spec)) return rest;
  const {
    nodeSelector: _selector,
    tolerations: _tolerations,
    affinity: _affinity,
    schedulingGates: _gates,
    ...frozen
  } = spec;
  return { ...rest, spec: frozen };
}

function mayMove(old: ApiObject): boolean {
  return objectAt(old, 'spec')?.['suspend'] === true && objectAt(old, 'status')?.['startTime'] === undefined;
}

function checkUpdate(job: ApiObject, old: ApiObject, errors: FieldError[]): void {
  const now = objectAt(job, 'spec') ?? {};
  const before = objectAt(old, 'spec') ?? {};
  if (now === before) return;
  for (const field of [
    'selector',
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ]) {
    checkUnchanged(`spec.${field}`, { now: now[field], before: before[field] }, errors);
  }
  const elastic = now['completionMode'] === 'Indexed' && now['completions'] === now['parallelism'];
  if (!elastic) checkUnchanged('spec.completions', { now: now['completions'], before: before['completions'] }, errors);
  const template = objectAt(now, 'template');
  const had = objectAt(before, 'template');
  const same = mayMove(old) ? sameJson(directives(template), directives(had)) : sameJson(template, had);
  if (!same) errors.push(invalidValue('spec.template', template ?? null, 'field is immutable'));
  if (now['podReplacementPolicy'] !== before['podReplacementPolicy']) {
    errors.push(fieldForbidden('spec.podReplacementPolicy', 'field is immutable'));
  }
}

export const JOB_RULES: KindRules = {
  defaultPropagation: 'Orphan',
  setDefaults,
  prepareCreate: (job) => {
    generateSelector(job);
    job['status'] = {};
  },
  validate,
  validateUpdate: checkUpdate,
};
