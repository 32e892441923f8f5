/**
 * A node's line to the API server: PodLink over a KubeClient, with a switch that cuts it.
 *
 * Invariants: while cut, nothing is read or written; a conflict is answered by reading the newest version, so that
 * conditions of others are never overwritten by old ones. Secrets' values go to the caller alone.
 */
import { configMaps, pods, secrets } from '../../../platform/kube/builtin-resources.ts';
import type { EventRecorder } from '../../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../../platform/kube/kube-error.ts';
import type { KubeObject, ResourceType } from '../../../platform/kube/object.ts';
import type { Pod, PodStatus } from '../objects/pod.ts';
import { uidOf } from '../objects/pod.ts';
import { configReferences } from './environment.ts';
import type { ConfigObjects } from './environment.ts';
import type { PodLink, StatusWrite } from './pod-link.ts';

export interface ApiLinkDeps {
  readonly client: KubeClient;
  /** Absent: no events are written at all. */
  readonly events?: Pick<EventRecorder, 'record'>;
  /** Normal events too; Warnings alone by default. */
  readonly verboseEvents?: boolean;
}

interface ConfigObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

export class ApiLink implements PodLink {
  private readonly deps: ApiLinkDeps;
  private readonly waiting = new Set<() => void>();
  private isConnected = true;

  constructor(deps: ApiLinkDeps) {
    this.deps = deps;
  }

  get connected(): boolean {
    return this.isConnected;
  }

  setConnected(connected: boolean): void {
    this.isConnected = connected;
    if (!connected) return;
    for (const wake of [...this.waiting]) wake();
  }

  whenConnected(signal?: AbortSignal): Promise<void> {
    if (this.isConnected || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  async writeStatus(pod: Pod, build: (newest: Pod) => PodStatus): Promise<StatusWrite> {
    let newest = pod;
    for (;;) {
      try {
        const { resourceVersion, uid } = newest.metadata;
        const patch = { metadata: { resourceVersion, uid }, status: build(newest) };
        const written = await this.deps.client.mergePatch<Pod>(refOf(pod), patch, { subresource: 'status' });
        return { kind: 'Written', pod: written };
      } catch (error) {
        if (isNotFound(error)) return { kind: 'Gone' };
        if (!isConflict(error)) throw error;
        const read = await this.read(pod);
        if (read === undefined || uidOf(read) !== uidOf(pod)) return { kind: 'Gone' };
        newest = read;
      }
    }
  }

  async removePod(pod: Pod): Promise<void> {
    try {
      await this.deps.client.delete(refOf(pod), {
        propagationPolicy: 'Background',
        gracePeriodSeconds: 0,
        preconditions: { uid: uidOf(pod) },
      });
    } catch (error) {
      // Gone already, or another pod has its name: either way there is nothing left to remove.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async config(pod: Pod): Promise<ConfigObjects> {
    const references = configReferences(pod);
    const namespace = pod.metadata.namespace ?? '';
    const [fromMaps, fromSecrets] = await Promise.all([
      this.fetchAll(configMaps, namespace, references.configMaps),
      this.fetchAll(secrets, namespace, references.secrets),
    ]);
    return { configMaps: fromMaps, secrets: fromSecrets };
  }

  async serviceAccountToken(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string> {
    const { namespace, name } = pod.metadata;
    const account = pod.spec.serviceAccountName ?? 'default';
    const answer = await this.deps.client.raw<{ readonly status?: { readonly token?: string } }>(
      'POST',
      `/api/v1/namespaces/${namespace ?? ''}/serviceaccounts/${account}/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          ...(audience === undefined ? {} : { audiences: [audience] }),
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid: uidOf(pod) },
        },
      },
    );
    return answer.status?.token ?? '';
  }

  warn(pod: Pod, reason: string, message: string): void {
    this.record(pod, 'Warning', reason, message);
  }

  note(pod: Pod, reason: string, message: string): void {
    if (this.deps.verboseEvents === true) this.record(pod, 'Normal', reason, message);
  }

  private record(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (!this.isConnected) return;
    this.deps.events?.record({ regarding: { ...pod, apiVersion: 'v1', kind: 'Pod' }, type, reason, message });
  }

  private async read(pod: Pod): Promise<Pod | undefined> {
    try {
      return await this.deps.client.get<Pod>(refOf(pod));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private async fetchAll(
    type: ResourceType,
    namespace: string,
    names: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>> {
    const out = new Map<string, ReadonlyMap<string, Uint8Array>>();
    for (const name of names) {
      try {
        const object = await this.deps.client.get<ConfigObject>({ type, namespace, name });
        out.set(name, contentsOf(object, type === secrets));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    return out;
  }
}

function contentsOf(object: ConfigObject, encoded: boolean): ReadonlyMap<string, Uint8Array> {
  const out = new Map<string, Uint8Array>();
  for (const [key, value] of Object.entries(object.data ?? {}))
    out.set(key, Buffer.from(value, encoded ? 'base64' : 'utf8'));
  for (const [key, value] of Object.entries(object.binaryData ?? {})) out.set(key, Buffer.from(value, 'base64'));
  return out;
}

function refOf(pod: Pod): { type: ResourceType; namespace: string; name: string } {
  return { type: pods, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' };
}
