/**
 * How workers find each other: the variables that torch.distributed and torchrun read, and the plain RANK/WORLD_SIZE pair.
 *
 * Decides: index 0 is the master; a gang reaches it by its name under the headless Service, a single worker by loopback. The
 * index comes from the annotation that the Job controller puts on each pod. Leaves out programs' own retrying until the
 * master answers, which every rendezvous does.
 */
import { runName, workerHostName } from '../../../api/v1alpha1/child-names.ts';
import type { RunOrder } from '../../../core/model/run.ts';

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}

const MASTER_PORT = '29500';
/** The Job controller writes it on every pod of an Indexed Job. */
export const INDEX_ANNOTATION = 'batch.kubernetes.io/job-completion-index';
const INDEX = { fieldRef: { fieldPath: `metadata.annotations['${INDEX_ANNOTATION}']` } };

/** Variables that every container of a worker gets; the tenant's template may not name them. */
export function runVariables(order: RunOrder): readonly EnvVar[] {
  return [
    { name: 'LUMBUNG_JOB_UID', value: order.id.jobUid },
    { name: 'LUMBUNG_FENCE', value: String(order.id.fence) },
    { name: 'LUMBUNG_ATTEMPT', value: String(order.attempt) },
    { name: 'LUMBUNG_MEMBER', value: order.member },
    ...(order.rendezvous === 'Torch' ? torchVariables(order) : []),
  ];
}

function torchVariables(order: RunOrder): readonly EnvVar[] {
  const master = needsService(order) ? workerHostName(order.id, 0) : '127.0.0.1';
  const workers = String(order.workers);
  return [
    { name: 'MASTER_ADDR', value: master },
    { name: 'MASTER_PORT', value: MASTER_PORT },
    { name: 'RANK', valueFrom: INDEX },
    { name: 'NODE_RANK', valueFrom: INDEX },
    { name: 'WORLD_SIZE', value: workers },
    { name: 'PET_NNODES', value: workers },
    { name: 'PET_NODE_RANK', valueFrom: INDEX },
    { name: 'PET_NPROC_PER_NODE', value: String(order.gpusPerWorker) },
    { name: 'PET_MASTER_ADDR', value: master },
    { name: 'PET_MASTER_PORT', value: MASTER_PORT },
  ];
}

/** Gangs alone need names for their workers. */
export function needsService(order: Pick<RunOrder, 'workers'>): boolean {
  return order.workers > 1;
}

/** The headless Service under which workers have names, before they are ready too. */
export function rendezvousService(order: RunOrder): { readonly name: string } | undefined {
  return needsService(order) ? { name: runName(order.id) } : undefined;
}
