/**
 * The keeper's eyes: GuestRuns, guest Jobs and guest Pods of the whole cluster, by label, indexed by run. No run costs a GET
 * or a LIST of its own.
 */
import { guestNamespace } from '../../api/v1alpha1/child-names.ts';
import { GUEST_RUN_RESOURCE } from '../../api/v1alpha1/guest-run.ts';
import { GUEST_LABEL_VALUE, LABELS } from '../../api/v1alpha1/labels.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import { jobs, pods } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { createReflector, type Reflector } from '../../platform/kube/reflector.ts';
import type { Logger } from '../../platform/log/logger.ts';
import {
  BY_RUN,
  byRun,
  runKeyOf,
  slimJob,
  slimPod,
  slimRecord,
  type GuestJob,
  type GuestPod,
  type GuestRunObject,
} from './guest-objects.ts';

/** Phases of a pod that runs no more. */
const TERMINAL: readonly string[] = ['Succeeded', 'Failed'];

export interface GuestStoresDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class GuestStores {
  private readonly guestRuns: Reflector<GuestRunObject>;
  private readonly jobs: Reflector<GuestJob>;
  private readonly pods: Reflector<GuestPod>;

  constructor(deps: GuestStoresDeps) {
    const common = { ...deps, labelSelector: `${LABELS.guest}=${GUEST_LABEL_VALUE}`, indexers: { [BY_RUN]: byRun } };
    this.guestRuns = createReflector<GuestRunObject>({ ...common, type: GUEST_RUN_RESOURCE, transform: slimRecord });
    this.jobs = createReflector<GuestJob>({ ...common, type: jobs, transform: slimJob });
    this.pods = createReflector<GuestPod>({ ...common, type: pods, transform: slimPod });
  }

  /** Resolves once all three have their first full list; early when `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    for (const reflector of this.all()) await reflector.start(signal);
    await Promise.all(this.all().map((reflector) => reflector.store.whenSynced(signal)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.all().map((reflector) => reflector.stop()));
  }

  record(key: string): GuestRunObject | undefined {
    return this.guestRuns.store.byIndex(BY_RUN, key)[0];
  }

  job(key: string): GuestJob | undefined {
    return this.jobs.store.byIndex(BY_RUN, key)[0];
  }

  /** Is anything of the run here that lives or could come to life? Labels that were copied elsewhere do not count. */
  holds(key: string): boolean {
    const { store } = this.pods;
    const live = store.byIndex(BY_RUN, key).filter(({ status }) => !TERMINAL.includes(status?.phase ?? ''));
    const objects = [...this.guestRuns.store.byIndex(BY_RUN, key), ...this.jobs.store.byIndex(BY_RUN, key), ...live];
    return objects.some(
      ({ metadata }) => metadata.namespace === guestNamespace(metadata.labels?.[LABELS.tenant] ?? ''),
    );
  }

  podsOf(key: string): readonly GuestPod[] {
    return this.pods.store.byIndex(BY_RUN, key);
  }

  records(): Iterable<GuestRunObject> {
    return this.guestRuns.store.values();
  }

  allJobs(): Iterable<GuestJob> {
    return this.jobs.store.values();
  }

  allPods(): Iterable<GuestPod> {
    return this.pods.store.values();
  }

  /** Calls with the run's key whenever anything of it changes. Returns the unsubscribe. */
  subscribe(changed: (key: string, object: KubeObject, gone: boolean) => void): () => void {
    const offs = this.all().map((reflector) =>
      reflector.store.subscribe((event) => {
        if (event.kind === 'synced') return;
        const key = runKeyOf(event.object);
        if (key !== undefined) changed(key, event.object, event.kind === 'deleted');
      }),
    );
    return () => {
      for (const off of offs) off();
    };
  }

  private all(): readonly Reflector<KubeObject>[] {
    return [this.guestRuns, this.jobs, this.pods];
  }
}
