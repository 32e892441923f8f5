/**
 * Field groups that several kinds share: conditions, label selectors, GPU counts, the frozen lease, nodes of a run.
 * One definition each, so that a run reads the same on the hub and on the member.
 */
import { z } from 'zod';
import { choice, count, counter, integer, list, object, labelMap, text, timestamp, withRules } from './fields.ts';

/** Kubernetes label value, `metadata.labels` side. */
const LABEL_KEY = { min: 1, max: 317 } as const;

export const conditions = list(
  'What is true of this object now, by type; the standard Kubernetes conditions.',
  object('One condition.', {
    type: text('Name of the condition.', {
      min: 1,
      max: 63,
      pattern: /^[A-Za-z][A-Za-z0-9]*$/,
      allowed: 'a CamelCase word',
    }),
    status: choice('Whether it holds.', ['True', 'False', 'Unknown']),
    reason: text('Why, as one CamelCase word for programs.', {
      min: 1,
      max: 128,
      pattern: /^[A-Za-z][A-Za-z0-9]*$/,
      allowed: 'a CamelCase word',
    }),
    message: text('Why, as a sentence for people.', { max: 8192 }),
    lastTransitionTime: timestamp('When the status last changed.'),
    observedGeneration: z.exactOptional(counter('The metadata.generation that this condition was computed from.')),
  }),
  { max: 16, type: 'map', key: 'type' },
);

export const observedGeneration = counter('The metadata.generation that this status was computed from.');

export const ON_PARTITION = ['KeepAndWait', 'Fence', 'AllowDuplicate'] as const;

export const GPU_VENDORS = ['nvidia', 'amd', 'intel'] as const;

export function gpuModels(description: string): z.ZodArray<z.ZodString> {
  return list(description, text('Canonical model name, such as H100-80GB.', { min: 1, max: 63 }), {
    max: 32,
    type: 'set',
  });
}

const selectorExpression = withRules(
  object('One expression over a label.', {
    key: text('Label key.', LABEL_KEY),
    operator: choice('How the values are compared.', ['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: z.exactOptional(
      list('Values, for In and NotIn only.', text('One value.', { max: 63 }), { max: 32, type: 'set' }),
    ),
  }),
  [
    {
      rule: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      message: 'values must be given for In and NotIn, and for no other operator',
      holds: (e) => (e.operator === 'In' || e.operator === 'NotIn') === (e.values !== undefined && e.values.length > 0),
    },
  ],
);

const selector = z.object({
  matchLabels: z.exactOptional(labelMap('Labels that must all be present with exactly these values.', 32)),
  matchExpressions: z.exactOptional(list('Expressions that must all hold.', selectorExpression, { max: 16 })),
});

/** Same meaning as metav1.LabelSelector; empty selects everything. */
export function labelSelector(description: string): typeof selector {
  return selector.meta({ description });
}

/** GPU boards by state; the states sum to `total`. */
export const gpuStates = {
  total: count('Physical GPUs.'),
  owner: count('GPUs held by the owner and active.'),
  parked: count('GPUs held by the owner and measurably inactive.'),
  idle: count('Healthy GPUs that nobody holds.'),
  lent: count('GPUs held by a guest.'),
  unhealthy: count('GPUs that the node reports as not allocatable.'),
  unknown: count('GPUs whose state is not known now.'),
  offered: count(
    'GPUs lent out right now on request: idle, less the reserve and what the owner asks for, inside the policy.',
  ),
};

/** The lease of a run, frozen when its fence was written. Whole seconds. */
export const frozenLease = object(
  'Terms of the lease, frozen when the fence was written; edits of the pool apply to later runs.',
  {
    durationSeconds: integer('How long the member may go on without being acknowledged, in seconds.', {
      min: 1,
      max: 604_800,
    }),
    terminationGraceSeconds: integer('How long stopping may take at the end of the lease, in seconds.', {
      min: 0,
      max: 86_400,
    }),
    marginSeconds: integer('Extra seconds before the hub places the work again.', { min: 0, max: 86_400 }),
    maxClockDriftPercent: integer('Assumed largest drift of a clock, in percent.', { min: 0, max: 25 }),
    replaceAfterSeconds: integer('Silence after which the hub may place a Fence run again, in seconds.', {
      min: 1,
      max: 1_209_600,
    }),
  },
);

export const runNodes = list(
  'Nodes chosen for the run.',
  object('One node.', {
    name: text('Name of the node on the member.', { min: 1, max: 253 }),
    workers: integer('Workers placed on it.', { min: 1, max: 4096 }),
  }),
  { max: 4096, type: 'map', key: 'name' },
);
