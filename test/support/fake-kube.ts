/**
 * A small API server for a member, in memory, behind the real KubeClient interface: versions that grow, conflicts, labels,
 * status subresources, finalizers, graceful deletion of pods, owner references with background and foreground deletion.
 * What controllers and kubelets do is done by the test, step by step (startJob, runPod, exitPod, finishPod).
 *
 * It promises no more than the agent uses, and throws on the rest. Writes are recorded; faults can be put before or after
 * each of them.
 */
import type { Clock } from '../../src/platform/clock/clock.ts';
import { formatTimestamp } from '../../src/platform/clock/timestamp.ts';
import { jobs, namespaces, pods } from '../../src/platform/kube/builtin-resources.ts';
import type {
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectRef,
  PatchOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../../src/platform/kube/kube-client.ts';
import { KubeError, KubeUnreachable } from '../../src/platform/kube/kube-error.ts';
import type { KubeList, KubeObject, ResourceType } from '../../src/platform/kube/object.ts';

type Json = Record<string, unknown>;
export type Stored = KubeObject & Json;

export interface KubeCall {
  readonly verb: 'create' | 'patch' | 'delete' | 'get' | 'list' | 'logs';
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly dryRun: boolean;
}

const WRITES: readonly string[] = ['create', 'patch', 'delete'];
const FOREGROUND = 'foregroundDeletion';

export class FakeKube {
  readonly calls: KubeCall[] = [];
  /** May throw or wait, before the server acts. */
  before: (call: KubeCall) => void | Promise<void> = () => undefined;
  /** May throw or wait, after the server has acted: the answer is lost. */
  after: (call: KubeCall) => void | Promise<void> = () => undefined;
  /** What a dry run of a pod answers; throw to refuse. */
  admit: (pod: Stored) => void = () => undefined;
  logText = 'hello\n';
  private readonly clock: Clock;
  private readonly objects = new Map<string, Stored>();
  private readonly watchers = new Set<(type: string, event: WatchEvent<Stored>) => void>();
  private version = 1;
  private uids = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.put(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'lumbung-system' } });
  }

  /** Writes that count against the budget of a run: dry runs change nothing. */
  get writes(): readonly KubeCall[] {
    return this.calls.filter((call) => WRITES.includes(call.verb) && !call.dryRun);
  }

  /** `create jobs` and the like, in order. */
  get writeLines(): readonly string[] {
    return this.writes.map(
      (call) => `${call.verb} ${call.plural}${call.subresource === '' ? '' : `/${call.subresource}`}`,
    );
  }

  /** A client of its own for each process. After `kill` it answers nothing any more, and its requests in progress neither. */
  client(): KubeClient & {
    kill(): void;
    killAt(write: number, when: 'before' | 'after'): void;
    readonly dead: boolean;
  } {
    return new FakeClient(this) as unknown as ReturnType<FakeKube['client']>;
  }

  all(type: ResourceType): readonly Stored[] {
    return [...this.objects].flatMap(([key, object]) => (key.startsWith(`${keyOf(type)}|`) ? [object] : []));
  }

  find(type: ResourceType, namespace: string | undefined, name: string): Stored | undefined {
    return this.objects.get(pathOf(type, namespace, name));
  }

  put(type: ResourceType, object: KubeObject): Stored {
    const { namespace, name = '' } = object.metadata;
    const path = pathOf(type, namespace, name);
    if (this.objects.has(path)) throw refusal(409, 'AlreadyExists', `${type.plural} "${name}" already exists`);
    if (namespace !== undefined && this.find(namespaces, undefined, namespace) === undefined) {
      throw refusal(404, 'NotFound', `namespaces "${namespace}" not found`);
    }
    const metadata = {
      ...object.metadata,
      uid: `uid-${(this.uids += 1)}`,
      creationTimestamp: formatTimestamp(this.clock.nowMs()),
      generation: 1,
    };
    const { status: _status, ...rest } = structuredClone(object) as Stored;
    return this.store(type, path, { ...rest, metadata }, 'ADDED');
  }

  /** Changes an object as its controller would. */
  update(type: ResourceType, object: KubeObject, change: (copy: Json) => void): Stored {
    const { namespace, name = '' } = object.metadata;
    const path = pathOf(type, namespace, name);
    const found = this.objects.get(path);
    if (found === undefined) throw refusal(404, 'NotFound', `${type.plural} "${name}" not found`);
    const copy = structuredClone(found);
    change(copy);
    return this.store(type, path, copy, 'MODIFIED');
  }

  remove(type: ResourceType, object: KubeObject): void {
    const { namespace, name = '', uid = '' } = object.metadata;
    const path = pathOf(type, namespace, name);
    const found = this.objects.get(path);
    if (found?.metadata.uid !== uid) return;
    this.objects.delete(path);
    this.version += 1;
    const gone = { ...found, metadata: { ...found.metadata, resourceVersion: String(this.version) } };
    this.emit(type, { type: 'DELETED', object: gone });
    this.collect(uid, 'Background');
    this.finishForeground();
  }

  deleteObject(type: ResourceType, object: Stored, options: DeleteOptions): void {
    if (options.propagationPolicy === 'Foreground') {
      this.markDeleted(type, object, 0, [FOREGROUND]);
      this.collect(object.metadata.uid ?? '', 'Foreground');
      this.finishForeground();
      return;
    }
    if (options.propagationPolicy === 'Orphan') this.orphan(object.metadata.uid ?? '');
    if (type === pods) this.deletePod(object, options.gracePeriodSeconds);
    else if ((object.metadata.finalizers ?? []).length > 0) this.markDeleted(type, object, 0, []);
    else this.remove(type, object);
  }

  /** A pod on a node stays until its kubelet says that it has ended. */
  private deletePod(pod: Stored, gracePeriodSeconds?: number): void {
    const graceSeconds =
      gracePeriodSeconds ?? (podSpec(pod)['terminationGracePeriodSeconds'] as number | undefined) ?? 30;
    if (graceSeconds === 0) throw new Error('a guest was force-deleted');
    if (podSpec(pod)['nodeName'] !== undefined && !isTerminal(pod)) this.markDeleted(pods, pod, graceSeconds, []);
    else this.remove(pods, pod);
  }

  /** The garbage collector's work: dependents of a gone owner go. */
  private collect(ownerUid: string, policy: 'Background' | 'Foreground'): void {
    for (const [path, object] of [...this.objects]) {
      if (object.metadata.ownerReferences?.some((owner) => owner.uid === ownerUid) !== true) continue;
      const type = this.typeOf(path);
      if (object.metadata.deletionTimestamp === undefined)
        this.deleteObject(type, object, {
          propagationPolicy: policy === 'Foreground' && type === jobs ? 'Foreground' : 'Background',
        });
    }
  }

  private orphan(ownerUid: string): void {
    for (const [path, object] of [...this.objects]) {
      if (object.metadata.ownerReferences?.some((owner) => owner.uid === ownerUid) !== true) continue;
      this.update(this.typeOf(path), object, (copy) => {
        (copy['metadata'] as Json)['ownerReferences'] = [];
      });
    }
  }

  private finishForeground(): void {
    for (const [path, object] of [...this.objects]) {
      if (object.metadata.finalizers?.includes(FOREGROUND) !== true) continue;
      const uid = object.metadata.uid ?? '';
      const dependents = [...this.objects.values()].some((one) =>
        one.metadata.ownerReferences?.some((owner) => owner.uid === uid),
      );
      if (!dependents) this.remove(this.typeOf(path), object);
    }
  }

  private markDeleted(type: ResourceType, object: Stored, graceSeconds: number, finalizers: readonly string[]): void {
    const metadata = object.metadata;
    const due = this.clock.nowMs() + graceSeconds * 1000;
    const earlier = metadata.deletionTimestamp === undefined ? Infinity : Date.parse(metadata.deletionTimestamp);
    this.update(type, object, (copy) => {
      const meta = copy['metadata'] as Json;
      meta['finalizers'] = [...new Set([...(metadata.finalizers ?? []), ...finalizers])];
      if (due >= earlier) return;
      meta['deletionTimestamp'] = formatTimestamp(due);
      meta['deletionGracePeriodSeconds'] = graceSeconds;
    });
  }

  private store(type: ResourceType, path: string, object: Stored, event: 'ADDED' | 'MODIFIED'): Stored {
    this.version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } } as Stored;
    this.objects.set(path, stored);
    this.types.set(path, type);
    this.emit(type, { type: event, object: stored });
    return stored;
  }

  private readonly types = new Map<string, ResourceType>();

  private typeOf(path: string): ResourceType {
    const type = this.types.get(path);
    if (type === undefined) throw new Error(`no type of ${path}`);
    return type;
  }

  private emit(type: ResourceType, event: WatchEvent<Stored>): void {
    for (const watcher of this.watchers) watcher(keyOf(type), event);
  }

  subscribe(watcher: (type: string, event: WatchEvent<Stored>) => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  get resourceVersion(): string {
    return String(this.version);
  }

  // ---- what the Job controller, the scheduler and the kubelet do, when the test says so ----

  /** The Job controller notices a Job: start time, and a pending pod for each index. */
  startJob(namespace: string, name: string): readonly Stored[] {
    const job = this.must(jobs, namespace, name);
    const spec = job['spec'] as {
      readonly completions: number;
      readonly template: { readonly metadata: Json; readonly spec: Json };
    };
    this.update(jobs, job, (copy) => {
      copy['status'] = {
        ...(copy['status'] as Json | undefined),
        startTime: formatTimestamp(this.clock.nowMs()),
        active: spec.completions,
      };
    });
    return Array.from({ length: spec.completions }, (_unused, index) => {
      const template = structuredClone(spec.template);
      const annotations = {
        ...(template.metadata['annotations'] as Json),
        'batch.kubernetes.io/job-completion-index': String(index),
      };
      const pod = this.put(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          ...template.metadata,
          annotations,
          name: `${name}-${index}-${(this.uids += 1).toString(36)}`,
          namespace,
          ownerReferences: [
            { apiVersion: 'batch/v1', kind: 'Job', name, uid: job.metadata.uid ?? '', controller: true },
          ],
        },
        spec: template.spec,
      } as unknown as KubeObject);
      return this.setPod(pod, { phase: 'Pending' });
    });
  }

  podsOf(namespace: string): readonly Stored[] {
    return this.all(pods).filter((pod) => pod.metadata.namespace === namespace);
  }

  setPod(pod: Stored, status: Json): Stored {
    return this.update(pods, pod, (copy) => {
      copy['status'] = { ...(copy['status'] as Json | undefined), ...status };
    });
  }

  bindPod(pod: Stored, node: string): Stored {
    return this.update(pods, pod, (copy) => {
      (copy['spec'] as Json)['nodeName'] = node;
    });
  }

  runPod(pod: Stored, node = 'node-1'): Stored {
    const startedAt = formatTimestamp(this.clock.nowMs());
    return this.setPod(this.bindPod(pod, node), {
      phase: 'Running',
      containerStatuses: [{ name: 'main', state: { running: { startedAt } } }],
    });
  }

  exitPod(pod: Stored, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): Stored {
    const current = this.must(pods, pod.metadata.namespace, pod.metadata.name ?? '');
    const [status] = ((current['status'] as Json)['containerStatuses'] ?? []) as readonly {
      readonly state: { readonly running?: Json };
    }[];
    const startedAt = status?.state.running?.['startedAt'];
    const finishedAt = formatTimestamp(this.clock.nowMs());
    const ended = this.setPod(current, {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [{ name: 'main', state: { terminated: { exitCode, reason, startedAt, finishedAt } } }],
    });
    if (ended.metadata.deletionTimestamp !== undefined) this.remove(pods, ended);
    return ended;
  }

  /** The kubelet reports a pod that is being deleted as ended, and the object goes. */
  finishPod(pod: Stored, exitCode = 143): void {
    this.exitPod(pod, exitCode);
  }

  /** Every pod that was asked to end, ends. */
  finishDeletedPods(exitCode = 143): void {
    for (const pod of this.all(pods)) if (pod.metadata.deletionTimestamp !== undefined) this.finishPod(pod, exitCode);
  }

  jobCondition(namespace: string, name: string, type: string, reason: string): void {
    this.update(jobs, this.must(jobs, namespace, name), (copy) => {
      const status = copy['status'] as Json;
      copy['status'] = {
        ...status,
        conditions: [...((status['conditions'] as Json[] | undefined) ?? []), { type, status: 'True', reason }],
      };
    });
  }

  must(type: ResourceType, namespace: string | undefined, name: string): Stored {
    const found = this.find(type, namespace, name);
    if (found === undefined) throw new Error(`no ${type.plural} ${namespace ?? ''}/${name}`);
    return found;
  }
}

/** One process' view. */
class FakeClient {
  private readonly kube: FakeKube;
  private written = 0;
  private doom: { readonly write: number; readonly when: 'before' | 'after' } | undefined;
  dead = false;

  constructor(kube: FakeKube) {
    this.kube = kube;
  }

  kill(): void {
    this.dead = true;
  }

  /** The process dies right before or after its n-th write (from 0). */
  killAt(write: number, when: 'before' | 'after'): void {
    this.doom = { write, when };
  }

  get<T extends KubeObject>(ref: ObjectRef): Promise<T> {
    return this.call('get', ref, () => structuredClone(this.found(ref)) as unknown as T);
  }

  list<T extends KubeObject>(type: ResourceType, options: ListOptions = {}): Promise<KubeList<T>> {
    return this.call(
      'list',
      { type, name: '', ...(options.namespace === undefined ? {} : { namespace: options.namespace }) },
      () => ({
        metadata: { resourceVersion: this.kube.resourceVersion },
        items: this.kube.all(type).filter((object) => matches(object, options)) as unknown as readonly T[],
      }),
    );
  }

  create<T extends KubeObject>(type: ResourceType, object: KubeObject, options: WriteOptions = {}): Promise<T> {
    const { namespace, name = '' } = object.metadata;
    const ref = { type, name, ...(namespace === undefined ? {} : { namespace }) };
    return this.call(
      'create',
      ref,
      () => {
        if (options.dryRun === true) {
          this.kube.admit(object as Stored);
          return object as T;
        }
        return structuredClone(this.kube.put(type, object)) as unknown as T;
      },
      { dryRun: options.dryRun === true },
    );
  }

  mergePatch<T extends KubeObject>(ref: ObjectRef, patch: unknown, options: PatchOptions = {}): Promise<T> {
    const subresource = options.subresource ?? '';
    return this.call(
      'patch',
      ref,
      () => {
        const found = this.found(ref);
        const wanted = patch as { readonly metadata?: { readonly resourceVersion?: string } } & Json;
        const version = wanted.metadata?.resourceVersion;
        if (version !== undefined && version !== found.metadata.resourceVersion) {
          throw refusal(409, 'Conflict', 'the object has been modified');
        }
        return structuredClone(
          this.kube.update(ref.type, found, (copy) => {
            const { status, metadata, ...rest } = wanted;
            if (subresource === 'status') merge(copy, { status });
            else merge(copy, { ...rest, metadata: { ...(metadata as Json | undefined), resourceVersion: undefined } });
          }),
        ) as unknown as T;
      },
      { subresource },
    );
  }

  delete(ref: ObjectRef, options: DeleteOptions): Promise<void> {
    return this.call('delete', ref, () => {
      const found = this.found(ref);
      const { uid } = options.preconditions ?? {};
      if (uid !== undefined && uid !== found.metadata.uid) throw refusal(409, 'Conflict', 'the uid is another');
      this.kube.deleteObject(ref.type, found, options);
    });
  }

  async *watch<T extends KubeObject>(type: ResourceType, options: WatchOptions = {}): AsyncIterable<WatchEvent<T>> {
    const queue: WatchEvent<Stored>[] = [];
    let wake: () => void = () => undefined;
    const off = this.kube.subscribe((key, event) => {
      if (key !== keyOf(type) || !('object' in event) || !matches(event.object, options)) return;
      queue.push(event);
      wake();
    });
    const signal = options.signal;
    const aborted = (): void => {
      wake();
    };
    signal?.addEventListener('abort', aborted);
    // What happened between the list and this call comes first, as from a real watch cache.
    for (const object of this.kube.all(type)) {
      const newer = Number(object.metadata.resourceVersion) > Number(options.resourceVersion ?? 0);
      if (newer && matches(object, options)) queue.push({ type: 'MODIFIED', object });
    }
    try {
      while (signal?.aborted !== true && !this.dead) {
        const event = queue.shift();
        if (event !== undefined) {
          yield event as unknown as WatchEvent<T>;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      off();
      signal?.removeEventListener('abort', aborted);
    }
  }

  logs(ref: { readonly namespace: string; readonly pod: string }): Promise<AsyncIterable<Uint8Array>> {
    return this.call('logs', { type: pods, namespace: ref.namespace, name: ref.pod }, () => {
      this.found({ type: pods, namespace: ref.namespace, name: ref.pod });
      const text = this.kube.logText;
      return (async function* () {
        yield await Promise.resolve(Buffer.from(text));
      })();
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private found({ type, namespace, name }: ObjectRef): Stored {
    const found = this.kube.find(type, namespace, name);
    if (found === undefined) throw refusal(404, 'NotFound', `${type.plural} "${name}" not found`);
    return found;
  }

  private async call<R>(
    verb: KubeCall['verb'],
    ref: ObjectRef,
    act: () => R,
    more: Partial<KubeCall> = {},
  ): Promise<R> {
    if (this.dead) return never();
    const call: KubeCall = {
      verb,
      plural: ref.type.plural,
      namespace: ref.namespace ?? '',
      name: ref.name,
      subresource: '',
      dryRun: false,
      ...more,
    };
    await this.kube.before(call);
    // An answer takes a turn of the event loop at least.
    await Promise.resolve();
    const when = this.dyingAt(call);
    if (when === 'before') this.dead = true;
    if (this.dead) return never();
    this.kube.calls.push(call);
    const result = act();
    if (when === 'after') this.dead = true;
    if (this.dead) return never();
    await this.kube.after(call);
    return result;
  }

  private dyingAt(call: KubeCall): 'before' | 'after' | undefined {
    if (call.dryRun || !WRITES.includes(call.verb)) return undefined;
    const doomed = this.doom?.write === this.written ? this.doom.when : undefined;
    this.written += 1;
    return doomed;
  }
}

/** A process that is gone hears nothing any more. */
function never<R>(): Promise<R> {
  return new Promise<R>(() => undefined);
}

export function refusal(status: number, reason: string, message: string): KubeError {
  return new KubeError({ status, reason, message });
}

export function lostConnection(): KubeUnreachable {
  return new KubeUnreachable('Connection', 'connection reset', 'ECONNRESET');
}

function keyOf(type: ResourceType): string {
  return `${type.group}/${type.plural}`;
}

function pathOf(type: ResourceType, namespace: string | undefined, name: string): string {
  return `${keyOf(type)}|${namespace ?? ''}|${name}`;
}

function podSpec(object: Stored): Json {
  return (object['spec'] as Json | undefined) ?? {};
}

function isTerminal(object: Stored): boolean {
  const phase = (object['status'] as Json | undefined)?.['phase'];
  return phase === 'Succeeded' || phase === 'Failed';
}

function matches(object: KubeObject, options: ListOptions): boolean {
  if (options.namespace !== undefined && options.namespace !== object.metadata.namespace) return false;
  return (options.labelSelector ?? '').split(',').every((part) => {
    if (part === '') return true;
    const [key = '', value] = part.split('=');
    const found = object.metadata.labels?.[key];
    return value === undefined ? found !== undefined : found === value;
  });
}

function merge(target: Json, patch: Json): void {
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) Reflect.deleteProperty(target, name);
    else if (typeof value === 'object' && !Array.isArray(value)) {
      const below = typeof target[name] === 'object' && target[name] !== null ? (target[name] as Json) : {};
      target[name] = below;
      merge(below, value as Json);
    } else target[name] = value;
  }
}
