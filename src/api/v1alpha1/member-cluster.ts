/**
 * MemberCluster: a member's identity, the pool operator's word about it, and its facts for placement. Cluster-scoped, on
 * the hub; labels on its metadata are what selectors read.
 * Invariants: an accepted member has a jurisdiction, and changing it needs a new acceptance; tokens are stored as hashes only.
 */
import { z } from 'zod';
import type { Result } from '../../std/result.ts';
import {
  count,
  counter,
  flag,
  jurisdiction,
  list,
  object,
  objectName,
  quantity,
  sha256Hex,
  text,
  timestamp,
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
import { conditions, gpuStates, observedGeneration } from '../schema/shared-fields.ts';

export const MEMBER_CLUSTER_RESOURCE: ApiResource = {
  group: API_GROUP,
  version: API_GROUP_VERSION,
  plural: 'memberclusters',
  kind: 'MemberCluster',
  namespaced: false,
};

export const memberClusterSpec = withRules(
  object("The pool operator's word about the member.", {
    accepted: flag('Whether the member may join: it gets its certificate only then.').default(false),
    cordoned: flag('True: the member gets no new work; its runs go on.').default(false),
    revoked: flag("True: the member's certificates and reports are rejected at once, and it ends its guests.").default(
      false,
    ),
    jurisdiction: z.exactOptional(
      jurisdiction('Country whose law the member is under; bound into its certificate when it is accepted.'),
    ),
    region: text('Region of the member, free text for placement.', { max: 63 }).default(''),
    invite: z.exactOptional(
      object('A one-use invitation to join, written by `lumbung member invite`.', {
        tokenSha256: sha256Hex('SHA-256 of the token, in hexadecimal; the token itself is stored nowhere.'),
        expiresAt: timestamp('When the token ends, at most 24 hours after it was made.'),
        rejoin: flag('True: for a member that was accepted before and keeps its identity.').default(false),
      }),
    ),
    declaredLost: z.exactOptional(
      object("The operator's word that everything the member ran is dead; its runs may then be placed elsewhere.", {
        at: timestamp('When it was declared.'),
        reason: text('Why, for the record.', { min: 1, max: 1024 }),
      }),
    ),
  }),
  [
    {
      rule: '!self.accepted || has(self.jurisdiction)',
      message: 'jurisdiction is required once accepted is true',
      holds: (spec) => !spec.accepted || spec.jurisdiction !== undefined,
    },
    {
      rule:
        '!(oldSelf.accepted && self.accepted) || !has(oldSelf.jurisdiction) || ' +
        '(has(self.jurisdiction) && self.jurisdiction == oldSelf.jurisdiction)',
      message: 'jurisdiction of an accepted member cannot change: set accepted to false first, then accept it anew',
    },
  ],
);

export const memberClusterStatus = object('What the hub observes of the member.', {
  observedGeneration: z.exactOptional(observedGeneration),
  conditions: z.exactOptional(conditions),
  clusterUid: z.exactOptional(text("UID of the member's kube-system namespace.", { min: 1, max: 63 })),
  agentVersion: z.exactOptional(text('Version of its agent.', { max: 63 })),
  kubernetesVersion: z.exactOptional(text('Version of its Kubernetes.', { max: 63 })),
  lastReportTime: z.exactOptional(timestamp('When its last report arrived, within 5 minutes.')),
  certificateNotAfter: z.exactOptional(timestamp('When its certificate ends.')),
  certificateFingerprint: z.exactOptional(sha256Hex('SHA-256 of its certificate, in hexadecimal.')),
  pendingRequest: z.exactOptional(
    object('A join that waits for acceptance.', {
      publicKeySha256: sha256Hex('SHA-256 of the public key that asks, in hexadecimal.'),
      requestedAt: timestamp('When it first asked.'),
      jurisdiction: z.exactOptional(jurisdiction('Jurisdiction that the owner states.')),
    }),
  ),
  declaredLost: z.exactOptional(
    object('What the hub did with spec.declaredLost.', {
      at: timestamp('When it was declared.'),
      by: z.exactOptional(text('Who declared it.', { max: 253 })),
      reason: text('Why it was declared.', { max: 1024 }),
    }),
  ),
  epoch: z.exactOptional(counter('Epoch of the newest connection; older connections are rejected.')),
  gpus: z.exactOptional(
    list(
      'GPUs by vendor and model.',
      object('GPUs of one model.', {
        vendor: text('Vendor of the GPUs.', { min: 1, max: 32 }),
        model: text('Canonical model.', { min: 1, max: 63 }),
        memory: quantity('Memory of one GPU, in bytes.'),
        ...gpuStates,
      }),
      { max: 64, type: 'map', key: 'model' },
    ),
  ),
  gpuTotals: z.exactOptional(object('GPUs of all models by state.', gpuStates)),
  pool: z.exactOptional(objectName('GpuPool that selects the member; absent with none or with more than one.')),
  invite: z.exactOptional(
    object('The invitation as the hub has seen it.', {
      tokenSha256: sha256Hex('SHA-256 of the token, in hexadecimal.'),
      expiresAt: timestamp('When the token ends.'),
      usedBy: z.exactOptional(sha256Hex('SHA-256 of the public key that redeemed it, in hexadecimal.')),
    }),
  ),
  runs: z.exactOptional(count('Live runs on the member.')),
});

const connected = '.status.conditions[?(@.type=="Connected")].status';

export const MEMBER_CLUSTER_KIND: KindDefinition<typeof memberClusterSpec, typeof memberClusterStatus> = {
  resource: MEMBER_CLUSTER_RESOURCE,
  singular: 'membercluster',
  shortName: 'mc',
  description: 'A cluster that lends idle GPUs: its identity and its facts for placement.',
  spec: memberClusterSpec,
  status: memberClusterStatus,
  rootRules: [
    {
      rule: "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
      message: 'metadata.name must be at most 63 characters without "."',
      holds: ({ metadata }) => (metadata.name ?? '').length <= 63 && !(metadata.name ?? '').includes('.'),
    },
  ],
  columns: [
    { name: 'Connected', type: 'string', jsonPath: connected, description: 'Whether its agent is connected.' },
    { name: 'GPUs', type: 'integer', jsonPath: '.status.gpuTotals.total', description: 'Physical GPUs.' },
    {
      name: 'Offered',
      type: 'integer',
      jsonPath: '.status.gpuTotals.offered',
      description: 'GPUs lent out on request.',
    },
    { name: 'Lent', type: 'integer', jsonPath: '.status.gpuTotals.lent', description: 'GPUs held by guests.' },
    { name: 'Jurisdiction', type: 'string', jsonPath: '.spec.jurisdiction', description: 'Country of the member.' },
    { name: 'Age-Of-Report', type: 'date', jsonPath: '.status.lastReportTime', description: 'Age of its last report.' },
    {
      name: 'Accepted',
      type: 'boolean',
      jsonPath: '.spec.accepted',
      description: 'Whether it was accepted.',
      priority: 1,
    },
    {
      name: 'Cordoned',
      type: 'boolean',
      jsonPath: '.spec.cordoned',
      description: 'Whether it gets no new work.',
      priority: 1,
    },
    { name: 'Pool', type: 'string', jsonPath: '.status.pool', description: 'Pool that selects it.', priority: 1 },
    {
      name: 'Agent',
      type: 'string',
      jsonPath: '.status.agentVersion',
      description: 'Version of its agent.',
      priority: 1,
    },
    {
      name: 'Age',
      type: 'date',
      jsonPath: '.metadata.creationTimestamp',
      description: 'Time since creation.',
      priority: 1,
    },
  ],
};

export type MemberClusterSpec = DeepReadonly<z.output<typeof memberClusterSpec>>;
export type MemberClusterStatus = DeepReadonly<z.output<typeof memberClusterStatus>>;
export type MemberCluster = ApiObject<'MemberCluster', MemberClusterSpec, MemberClusterStatus>;

/** Decodes a MemberCluster from raw JSON; every problem is reported with its path. */
export function decodeMemberCluster(raw: unknown): Result<MemberCluster, readonly FieldProblem[]> {
  return decodeObject(MEMBER_CLUSTER_KIND, raw);
}
