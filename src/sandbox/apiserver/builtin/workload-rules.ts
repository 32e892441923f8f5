/** Kinds of the apps group: stored with their defaults so that charts can make them; no controller acts on them. */
import { type FieldError, invalidValue } from '../field-error.ts';
import { type ApiObject, type JsonObject, objectAt } from '../json-value.ts';
import type { KindRules } from '../registry/resource.ts';
import { checkSelectorMatches, checkTemplate, checkUnchanged, defaultPodSpec, fill } from './pod-template.ts';

function withTemplate(object: JsonObject, defaults: JsonObject): JsonObject | undefined {
  const spec = objectAt(object, 'spec');
  if (spec === undefined) return undefined;
  fill(spec, defaults);
  defaultPodSpec(objectAt(objectAt(spec, 'template'), 'spec'));
  return spec;
}

function checkWorkload(object: ApiObject, errors: FieldError[]): void {
  const spec = objectAt(object, 'spec');
  const template = objectAt(spec, 'template');
  checkSelectorMatches(objectAt(spec, 'selector'), template, errors);
  checkTemplate(template, 'spec.template', errors);
  const replicas = spec?.['replicas'];
  if (typeof replicas === 'number' && replicas < 0) {
    errors.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'));
  }
}

function checkSelectorKept(now: ApiObject, old: ApiObject, errors: FieldError[]): void {
  const values = { now: objectAt(now, 'spec')?.['selector'], before: objectAt(old, 'spec')?.['selector'] };
  checkUnchanged('spec.selector', values, errors);
}

function emptyStatus(object: ApiObject): void {
  object['status'] = {};
}

function workload(setDefaults: (object: JsonObject) => void): KindRules {
  return { setDefaults, prepareCreate: emptyStatus, validate: checkWorkload, validateUpdate: checkSelectorKept };
}

const ROLLING = { maxUnavailable: '25%', maxSurge: '25%' };

function defaultStrategy(spec: JsonObject | undefined, field: string, rolling: JsonObject): void {
  if (spec === undefined) return;
  const strategy = objectAt(spec, field) ?? {};
  fill(strategy, { type: 'RollingUpdate' });
  if (strategy['type'] === 'RollingUpdate')
    strategy['rollingUpdate'] = { ...rolling, ...objectAt(strategy, 'rollingUpdate') };
  spec[field] = strategy;
}

export const WORKLOAD_RULES: Readonly<Record<string, KindRules>> = {
  'apps/deployments': workload((object) => {
    const spec = withTemplate(object, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    defaultStrategy(spec, 'strategy', ROLLING);
  }),
  'apps/replicasets': workload((object) => {
    withTemplate(object, { replicas: 1 });
  }),
  'apps/statefulsets': workload((object) => {
    const defaults = { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: 'OrderedReady' };
    defaultStrategy(withTemplate(object, defaults), 'updateStrategy', { partition: 0 });
  }),
  'apps/daemonsets': workload((object) => {
    const spec = withTemplate(object, { revisionHistoryLimit: 10 });
    defaultStrategy(spec, 'updateStrategy', { maxUnavailable: 1, maxSurge: 0 });
  }),
  'batch/cronjobs': {
    prepareCreate: emptyStatus,
    setDefaults: (object) => {
      const spec = objectAt(object, 'spec');
      if (spec === undefined) return;
      fill(spec, {
        concurrencyPolicy: 'Allow',
        suspend: false,
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 1,
      });
      const template = objectAt(objectAt(objectAt(spec, 'jobTemplate'), 'spec'), 'template');
      defaultPodSpec(objectAt(template, 'spec'));
    },
  },
};
