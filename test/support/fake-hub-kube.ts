/**
 * A small API server for the hub's own kinds, in memory: versions that grow, conflicts, status subresource, finalizers,
 * deletion in two steps, the status schema and its transition rules. Writes are counted; watches can be held back; a test can
 * put a fault before or after a write. It promises no more than the hub uses, and refuses the rest.
 */
import { computeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import type { Clock } from '../../src/platform/clock/clock.ts';
import { formatTimestamp } from '../../src/platform/clock/timestamp.ts';
import type { KubeClient, ObjectRef, PatchOptions } from '../../src/platform/kube/kube-client.ts';
import { KubeError } from '../../src/platform/kube/kube-error.ts';
import type { ResourceType } from '../../src/platform/kube/object.ts';
import type { RawObject } from '../../src/hub/state/job-record.ts';
import { memoryStore, type MemoryStore } from './memory-store.ts';

export type KubeFault = (call: {
  readonly verb: string;
  readonly plural: string;
  readonly name: string;
  readonly subresource: string;
}) => void;

type Json = Record<string, unknown>;
type Plural = 'computejobs' | 'gpupools' | 'memberclusters';

export class FakeHubKube {
  readonly stores: Readonly<Record<Plural, MemoryStore<RawObject>>> = {
    computejobs: memoryStore(),
    gpupools: memoryStore(),
    memberclusters: memoryStore(),
  };
  /** `patch computejobs/status default/a` and the like, in order. */
  readonly calls: string[] = [];
  /** May throw, before the server acts. */
  beforeCall: KubeFault = () => undefined;
  /** May throw, after the server has acted: the answer is lost. */
  afterCall: KubeFault = () => undefined;
  latencyMs = 0;
  private readonly clock: Clock;
  private readonly objects = new Map<string, RawObject>();
  private version = 0;
  private uids = 0;
  private held: (() => void)[] | undefined;

  constructor(clock: Clock, from?: FakeHubKube) {
    this.clock = clock;
    if (from === undefined) return;
    this.version = from.version;
    this.uids = from.uids;
    for (const [key, object] of from.objects) this.objects.set(key, object);
    for (const [key, object] of this.objects) this.storeOf(key).put(object);
  }

  /** As kubectl create or apply would: new uid and version; replaces the spec of one that exists. */
  put(
    plural: Plural,
    object: {
      readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Json };
      readonly spec: unknown;
      readonly status?: unknown;
    },
  ): RawObject {
    const key = keyOf(plural, object.metadata.namespace, object.metadata.name);
    const old = this.objects.get(key);
    const metadata = {
      ...old?.metadata,
      ...object.metadata,
      uid: old?.metadata.uid ?? `uid-${String((this.uids += 1)).padStart(5, '0')}`,
      creationTimestamp: old?.metadata.creationTimestamp ?? formatTimestamp(this.clock.nowMs()),
      generation: (old?.metadata.generation ?? 0) + 1,
    } as RawObject['metadata'];
    const status = object.status ?? old?.status;
    return this.save(key, { metadata, spec: object.spec, ...(status === undefined ? {} : { status }) });
  }

  /** kubectl edit of the spec. */
  edit(plural: Plural, name: string, change: (spec: Json) => Json, namespace?: string): RawObject {
    const key = keyOf(plural, namespace, name);
    const old = this.must(key);
    const metadata = { ...old.metadata, generation: (old.metadata.generation ?? 0) + 1 };
    return this.save(key, { ...old, metadata, spec: change(structuredClone(old.spec) as Json) });
  }

  /** kubectl delete: at once without finalizers, else marked. */
  delete(plural: Plural, name: string, namespace?: string): void {
    const key = keyOf(plural, namespace, name);
    const old = this.must(key);
    if ((old.metadata.finalizers ?? []).length === 0) this.drop(key);
    else if (old.metadata.deletionTimestamp === undefined) {
      this.save(key, { ...old, metadata: { ...old.metadata, deletionTimestamp: formatTimestamp(this.clock.nowMs()) } });
    }
  }

  get(plural: Plural, name: string, namespace?: string): RawObject | undefined {
    return this.objects.get(keyOf(plural, namespace, name));
  }

  all(plural: Plural): readonly RawObject[] {
    return [...this.objects].filter(([key]) => key.startsWith(`${plural}/`)).map(([, object]) => object);
  }

  /** Puts an object back as it was, as a restored backup does. */
  restore(plural: Plural, object: RawObject): void {
    this.save(keyOf(plural, object.metadata.namespace, object.metadata.name ?? ''), object);
  }

  /** Watch events wait until `releaseWatch`. */
  holdWatch(): void {
    this.held ??= [];
  }

  releaseWatch(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const tell of held) tell();
  }

  callsOf(pattern: RegExp): readonly string[] {
    return this.calls.filter((call) => pattern.test(call));
  }

  readonly client: KubeClient = this.makeClient();

  private makeClient(): KubeClient {
    const refuse = (what: string) => () => {
      throw new Error(`fake hub API: ${what} is not used by the hub`);
    };
    return {
      get: (ref) => this.call('get', ref, '', () => this.must(keyOfRef(ref))),
      mergePatch: (ref, patch, options) =>
        this.call('patch', ref, options?.subresource ?? '', () => this.mergePatch(ref, patch as Json, options)),
      delete: (ref, options) =>
        this.call('delete', ref, '', () => {
          const old = this.must(keyOfRef(ref));
          const { uid, resourceVersion } = options.preconditions ?? {};
          if (uid !== undefined && uid !== old.metadata.uid) throw conflict();
          if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) throw conflict();
          this.delete(ref.type.plural as Plural, ref.name, ref.namespace);
        }) as Promise<unknown> as Promise<void>,
      list: refuse('list'),
      create: refuse('create'),
      replace: refuse('replace'),
      apply: refuse('apply'),
      jsonPatch: refuse('jsonPatch'),
      watch: refuse('watch'),
      logs: refuse('logs'),
      raw: refuse('raw'),
      rawStream: refuse('rawStream'),
      close: () => Promise.resolve(),
    } as KubeClient;
  }

  private async call(verb: string, ref: ObjectRef, subresource: string, act: () => unknown): Promise<never> {
    const name = ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
    const facts = { verb, plural: ref.type.plural, name, subresource };
    this.calls.push(`${verb} ${ref.type.plural}${subresource === '' ? '' : `/${subresource}`} ${name}`);
    if (this.latencyMs > 0) await this.clock.sleep(this.latencyMs);
    else await Promise.resolve();
    this.beforeCall(facts);
    const answer = structuredClone(act());
    this.afterCall(facts);
    return answer as never;
  }

  private mergePatch(ref: ObjectRef, patch: Json, options: PatchOptions | undefined): RawObject {
    const key = keyOfRef(ref);
    const old = this.must(key);
    const sent = (patch['metadata'] ?? {}) as Json;
    if (sent['resourceVersion'] !== undefined && sent['resourceVersion'] !== old.metadata.resourceVersion)
      throw conflict();
    if (options?.subresource === 'status') {
      const status = merge(old.status ?? {}, patch['status'] ?? {}) as Json;
      if (ref.type.plural === 'computejobs') checkJobStatus((old.status ?? {}) as Json, status);
      return this.save(key, { ...old, status });
    }
    return this.patchObject(key, old, patch);
  }

  private patchObject(key: string, old: RawObject, patch: Json): RawObject {
    const { resourceVersion: _version, ...metadataPatch } = (patch['metadata'] ?? {}) as Json;
    const metadata = merge(old.metadata, metadataPatch) as RawObject['metadata'];
    const next = { ...old, metadata, ...(patch['spec'] === undefined ? {} : { spec: merge(old.spec, patch['spec']) }) };
    const saved = this.save(key, next);
    if (saved.metadata.deletionTimestamp !== undefined && (saved.metadata.finalizers ?? []).length === 0)
      this.drop(key);
    return saved;
  }

  private must(key: string): RawObject {
    const object = this.objects.get(key);
    if (object === undefined) throw new KubeError({ status: 404, reason: 'NotFound', message: `${key} not found` });
    return object;
  }

  private save(key: string, object: RawObject): RawObject {
    this.version += 1;
    const saved = structuredClone({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(this.version) },
    });
    this.objects.set(key, saved);
    this.tell(() => {
      this.storeOf(key).put(saved);
    });
    return saved;
  }

  private drop(key: string): void {
    const { metadata } = this.must(key);
    this.objects.delete(key);
    this.tell(() => {
      this.storeOf(key).remove(metadata.namespace, metadata.name ?? '');
    });
  }

  private tell(event: () => void): void {
    if (this.held === undefined) event();
    else this.held.push(event);
  }

  private storeOf(key: string): MemoryStore<RawObject> {
    return this.stores[key.slice(0, key.indexOf('/')) as Plural];
  }
}

function keyOf(plural: string, namespace: string | undefined, name: string): string {
  return `${plural}/${namespace ?? ''}/${name}`;
}

function keyOfRef(ref: { readonly type: ResourceType; readonly namespace?: string; readonly name: string }): string {
  return keyOf(ref.type.plural, ref.namespace, ref.name);
}

function conflict(): KubeError {
  return new KubeError({ status: 409, reason: 'Conflict', message: 'the object has been modified' });
}

function merge(old: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Json = typeof old === 'object' && old !== null && !Array.isArray(old) ? { ...(old as Json) } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(merged, name);
    else if (value !== undefined) merged[name] = merge(merged[name], value);
  }
  return merged;
}

/** The schema and the transition rules that the CRD carries. */
function checkJobStatus(old: Json, next: Json): void {
  const parsed = computeJobStatus.safeParse(next);
  const invalid = (message: string): KubeError => new KubeError({ status: 422, reason: 'Invalid', message });
  if (!parsed.success) throw invalid(JSON.stringify(parsed.error.issues));
  if (Number(next['highestFence'] ?? 0) < Number(old['highestFence'] ?? 0)) throw invalid('highestFence must not fall');
  if (old['completionTime'] !== undefined && old['completionTime'] !== next['completionTime']) {
    throw invalid('completionTime is written once');
  }
}
