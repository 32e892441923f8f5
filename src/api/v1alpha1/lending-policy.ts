/**
 * LendingPolicy: the owner's word about what its cluster lends, to whom, when and how. Cluster-scoped, on the member; the
 * hub cannot write it. Exactly one counts: the one named `default`.
 * Invariants: absent, invalid or unreadable means nothing new is lent; an absent list does not restrict, an empty one
 * allows nothing. Time zones and network ranges are checked by the agent, since CEL cannot see them.
 */
import { z } from 'zod';
import type { Result } from '../../std/result.ts';
import {
  choice,
  count,
  duration,
  flag,
  integer,
  jurisdiction,
  labelName,
  list,
  object,
  quantity,
  labelMap,
  text,
  withRules,
} from '../schema/fields.ts';
import { decodeObject, type FieldProblem, type KindDefinition } from '../schema/kind.ts';
import {
  API_GROUP,
  API_GROUP_VERSION,
  type ApiObject,
  type ApiResource,
  type DeepReadonly,
} from '../schema/kube-object.ts';
import { conditions, observedGeneration } from '../schema/shared-fields.ts';

export const LENDING_POLICY_RESOURCE: ApiResource = {
  group: API_GROUP,
  version: API_GROUP_VERSION,
  plural: 'lendingpolicies',
  kind: 'LendingPolicy',
  namespaced: false,
};

/** The only name under which a LendingPolicy counts. */
export const LENDING_POLICY_NAME = 'default';

export const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;

const CIDR_PATTERN = /^([0-9]{1,3}(\.[0-9]{1,3}){3}\/[0-9]{1,2}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*\/[0-9]{1,3})$/;
const gpuCount = (description: string) => integer(description, { min: 0, max: 1_000_000 });
const EMPTY_IS_NONE = 'Absent: all. Empty: none.';

const tolerations = list(
  "Taints that guests may tolerate; nodes with other taints are not lent, unless the tenant's own template tolerates them.",
  withRules(
    object('One toleration, as in a pod.', {
      key: z.exactOptional(text('Key of the taint; absent with Exists matches every taint.', { max: 317 })),
      operator: choice('How the value is compared.', ['Exists', 'Equal']).default('Equal'),
      value: z.exactOptional(text('Value of the taint, for Equal only.', { max: 63 })),
      effect: z.exactOptional(
        choice('Effect of the taint; absent matches every effect.', ['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
      ),
    }),
    [
      {
        rule: "self.operator == 'Exists' ? !has(self.value) : has(self.key)",
        message: 'Equal needs a key, and Exists takes no value',
        holds: (t) => (t.operator === 'Exists' ? t.value === undefined : t.key !== undefined),
      },
    ],
  ),
  { max: 32 },
);

const windows = list(
  'Hours in which the cluster lends. Absent: always. At the end of a window its guests are reclaimed.',
  withRules(
    object('One daily window.', {
      days: z.exactOptional(
        list('Days on which the window opens. Absent: every day.', choice('Day of the week.', WEEKDAYS), {
          min: 1,
          max: 7,
          type: 'set',
        }),
      ),
      start: text('When it opens, HH:MM in the time zone.', {
        max: 5,
        pattern: /^([01][0-9]|2[0-3]):[0-5][0-9]$/,
        allowed: 'HH:MM from 00:00 to 23:59',
      }),
      end: text('When it closes, HH:MM; earlier than the start means on the next day; 24:00 is the end of the day.', {
        max: 5,
        pattern: /^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/,
        allowed: 'HH:MM from 00:00 to 24:00',
      }),
      timeZone: text('IANA time zone, such as Asia/Jakarta.', {
        min: 1,
        max: 64,
        pattern: /^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/,
        allowed: 'an IANA time zone such as Asia/Jakarta',
      }).default('UTC'),
    }),
    [
      {
        rule: 'self.start != self.end',
        message: 'start and end must differ; a whole day is 00:00 to 24:00',
        holds: (window) => window.start !== window.end,
      },
    ],
  ),
  { min: 1, max: 32 },
);

const egressDefault = { allowPrivateRanges: false, allow: [] };

export const lendingPolicySpec = object('What the owner lends, to whom, when and how.', {
  paused: flag('True: all guests end within reclaimGrace and nothing is lent.').default(false),
  nodeSelector: labelMap('Labels of the nodes that are lent; empty means every node with GPUs.').default({}),
  tolerations: tolerations.default([]),
  runtimeClassName: z.exactOptional(
    labelName("RuntimeClass of every guest pod, such as one with a sandboxed runtime. Absent: the cluster's default."),
  ),
  reserve: object('What stays free for the owner at all times; it is never offered.', {
    gpus: gpuCount('GPUs over the whole cluster.').default(0),
    cpu: z.exactOptional(quantity('CPU on each lent node, in cores.')),
    memory: z.exactOptional(quantity('Memory on each lent node, in bytes.')),
  }).default({ gpus: 0 }),
  cap: z.exactOptional(
    withRules(
      object('Most GPUs that guests may hold at once. Absent: no cap.', {
        gpus: z.exactOptional(gpuCount('As a number of GPUs.')),
        percent: z.exactOptional(
          integer('As percent of the healthy GPUs on lent nodes, rounded down.', { min: 0, max: 100 }),
        ),
      }),
      [
        {
          rule: 'has(self.gpus) != has(self.percent)',
          message: 'exactly one of gpus and percent must be given',
          holds: (cap) => (cap.gpus !== undefined) !== (cap.percent !== undefined),
        },
      ],
    ),
  ),
  windows: z.exactOptional(windows),
  idleBeforeLend: duration('How long a GPU must be held by nobody before it is lent.', {
    minSeconds: 0,
    maxSeconds: 604_800,
  }).default('0s'),
  reclaimGrace: duration('Longest time that a guest may take to leave when the owner needs the GPU.', {
    minSeconds: 0,
    maxSeconds: 3600,
  }).default('60s'),
  tenants: z.exactOptional(
    list(`Tenants that may borrow. ${EMPTY_IS_NONE}`, text('Name of a tenant.', { min: 1, max: 63 }), {
      max: 256,
      type: 'set',
    }),
  ),
  jurisdiction: z.exactOptional(
    jurisdiction(
      'Country whose law this cluster is under. The agent refuses work if the hub or the certificate says another.',
    ),
  ),
  dataJurisdictions: z.exactOptional(
    list(
      'Jurisdictions of data that the owner takes: a job must state placement.jurisdictions, and share one with this list. Absent or empty: any.',
      jurisdiction('Country code.'),
      { max: 64, type: 'set' },
    ),
  ),
  images: object('Which images guests may use.', {
    allow: z.exactOptional(
      list(
        `Patterns of image references; * stands for any characters. ${EMPTY_IS_NONE}`,
        text('One pattern, such as registry.example/team-a/*.', { min: 1, max: 512 }),
        { max: 128, type: 'set' },
      ),
    ),
    requireDigest: flag('True: only images given by digest.').default(false),
  }).default({ requireDigest: false }),
  logs: choice('Whether tenants may read the logs of their workers.', ['Allowed', 'Forbidden']).default('Allowed'),
  templatePaths: object('Paths of the pod template that the owner opts into beyond what guests may always set.', {
    allow: list(
      'Dotted paths; what lies below a path is allowed too.',
      text('One path, such as spec.volumes.hostPath.', {
        min: 1,
        max: 256,
        pattern: /^[A-Za-z][A-Za-z0-9_/-]*(\.[A-Za-z][A-Za-z0-9_/-]*)*$/,
        allowed: 'a dotted path such as spec.volumes.hostPath',
      }),
      { max: 64, type: 'set' },
    ).default([]),
  }).default({ allow: [] }),
  podSecurity: choice("Pod Security level of the guests' namespaces.", [
    'restricted',
    'baseline',
    'privileged',
  ]).default('restricted'),
  egress: object("What guests may reach besides each other and the cluster's DNS.", {
    allowPrivateRanges: flag('True: private, shared and link-local ranges too.').default(
      egressDefault.allowPrivateRanges,
    ),
    allow: list(
      'Network ranges that are reachable although private ranges are not.',
      text('One range, such as 10.20.0.0/16.', {
        min: 1,
        max: 64,
        pattern: CIDR_PATTERN,
        allowed: 'a network range in CIDR form, such as 10.20.0.0/16',
      }),
      { max: 64, type: 'set' },
    ).default(egressDefault.allow),
  }).default(egressDefault),
  finishedRetention: duration('How long finished guest pods stay, so that their logs can be read.', {
    minSeconds: 0,
    maxSeconds: 86_400,
  }).default('1h'),
});

export const lendingPolicyStatus = object('What the agent observes.', {
  observedGeneration: z.exactOptional(observedGeneration),
  conditions: z.exactOptional(conditions),
  offeredGpus: z.exactOptional(count('GPUs that are lent out right now on request.')),
  lentGpus: z.exactOptional(count('GPUs held by guests.')),
  blockedOwnerPods: z.exactOptional(
    list(
      'Owner pods that wait and that ending guests would not help; at most 32.',
      object('One pod.', {
        namespace: labelName('Its namespace.'),
        name: text('Its name.', { min: 1, max: 253 }),
        reason: text('Why ending guests would not help.', { max: 1024 }),
      }),
      { max: 32 },
    ),
  ),
});

export const LENDING_POLICY_KIND: KindDefinition<typeof lendingPolicySpec, typeof lendingPolicyStatus> = {
  resource: LENDING_POLICY_RESOURCE,
  singular: 'lendingpolicy',
  shortName: 'lp',
  description: "The owner's word about what this cluster lends. Absent, invalid or unreadable: nothing new is lent.",
  spec: lendingPolicySpec,
  status: lendingPolicyStatus,
  rootRules: [
    {
      rule: "self.metadata.name == 'default'",
      message: 'metadata.name must be default: a cluster has one LendingPolicy',
      holds: ({ metadata }) => metadata.name === LENDING_POLICY_NAME,
    },
  ],
  columns: [
    { name: 'Paused', type: 'boolean', jsonPath: '.spec.paused', description: 'Whether lending is paused.' },
    {
      name: 'Lending',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Lending")].status',
      description: 'Whether the cluster lends now.',
    },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Lending")].reason',
      description: 'Why.',
    },
    { name: 'Offered', type: 'integer', jsonPath: '.status.offeredGpus', description: 'GPUs lent out on request.' },
    { name: 'Lent', type: 'integer', jsonPath: '.status.lentGpus', description: 'GPUs held by guests.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
  ],
};

export type LendingPolicySpec = DeepReadonly<z.output<typeof lendingPolicySpec>>;
export type LendingPolicyStatus = DeepReadonly<z.output<typeof lendingPolicyStatus>>;
export type LendingPolicy = ApiObject<'LendingPolicy', LendingPolicySpec, LendingPolicyStatus>;

/** Decodes a LendingPolicy from raw JSON; every problem is reported with its path. */
export function decodeLendingPolicy(raw: unknown): Result<LendingPolicy, readonly FieldProblem[]> {
  return decodeObject(LENDING_POLICY_KIND, raw);
}
