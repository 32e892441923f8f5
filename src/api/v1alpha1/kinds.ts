/** The kinds of the group, by the cluster that they live in. */
import type { KindDefinition } from '../schema/kind.ts';
import { COMPUTE_JOB_KIND } from './compute-job.ts';
import { GPU_POOL_KIND } from './gpu-pool.ts';
import { GUEST_RUN_KIND } from './guest-run.ts';
import { LENDING_POLICY_KIND } from './lending-policy.ts';
import { MEMBER_CLUSTER_KIND } from './member-cluster.ts';

export const HUB_KINDS: readonly KindDefinition[] = [COMPUTE_JOB_KIND, GPU_POOL_KIND, MEMBER_CLUSTER_KIND];
export const MEMBER_KINDS: readonly KindDefinition[] = [GUEST_RUN_KIND, LENDING_POLICY_KIND];
export const ALL_KINDS: readonly KindDefinition[] = [...HUB_KINDS, ...MEMBER_KINDS];
