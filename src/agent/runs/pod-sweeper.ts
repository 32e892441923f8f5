/**
 * Guest pods that belong to nothing: neither GuestRun nor Job is left (somebody deleted them with orphans). Without a Job
 * nobody would ever end them, and their GPUs would stay with a run that nobody reports.
 *
 * Invariant: a pod is deleted only when two sweeps in a row found it so, gracefully, by its own grace.
 */
import { guestNamespace } from '../../api/v1alpha1/child-names.ts';
import { LABELS } from '../../api/v1alpha1/labels.ts';
import { pods } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isNotFound } from '../../platform/kube/kube-error.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { runKeyOf, type GuestPod } from './guest-objects.ts';
import type { GuestStores } from './guest-stores.ts';

export interface PodSweeperDeps {
  readonly client: KubeClient;
  readonly logger: Logger;
  readonly stores: GuestStores;
  readonly isKnown: (key: string) => boolean;
  /** Throws unless this process may write now. */
  readonly assertMayAct: () => void;
}

export class PodSweeper {
  private readonly deps: PodSweeperDeps;
  private suspects: ReadonlySet<string> = new Set();

  constructor(deps: PodSweeperDeps) {
    this.deps = deps;
  }

  /** Never rejects: what fails is tried again by the next sweep. */
  async sweep(): Promise<void> {
    const strays = [...this.deps.stores.allPods()].filter((pod) => this.isStray(pod));
    const again = strays.filter((pod) => this.suspects.has(pod.metadata.uid ?? ''));
    this.suspects = new Set(strays.map((pod) => pod.metadata.uid ?? ''));
    for (const pod of again) await this.remove(pod);
  }

  private isStray(pod: GuestPod): boolean {
    const { deletionTimestamp, labels, namespace } = pod.metadata;
    const key = runKeyOf(pod);
    // A pod of the owner that carries our label by mistake is not ours: the agent knows its own namespaces.
    const ours = namespace === guestNamespace(labels?.[LABELS.tenant] ?? '');
    if (key === undefined || !ours || deletionTimestamp !== undefined) return false;
    const { stores, isKnown } = this.deps;
    return !isKnown(key) && stores.record(key) === undefined && stores.job(key) === undefined;
  }

  private async remove(pod: GuestPod): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata;
    const { client, logger } = this.deps;
    try {
      this.deps.assertMayAct();
      await client.delete({ type: pods, namespace, name }, { propagationPolicy: 'Background', preconditions: { uid } });
      logger.warn('a guest pod that belonged to nothing was deleted', { namespace, name });
    } catch (error) {
      if (!isNotFound(error))
        logger.warn('a guest pod that belongs to nothing could not be deleted', { namespace, name, error });
    }
  }
}
