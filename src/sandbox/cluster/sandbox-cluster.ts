/**
 * A whole cluster in one process: API server, scheduler, Job controller, node lifecycle and nodes that run containers as
 * processes of this machine (which isolates nothing) or pretend to.
 *
 * Invariants: every part speaks to the API server as a client would; what the cluster starts it also ends: after `stop` no
 * process, timer or socket of it is left, and of its files only the disk of the member (hostPath volumes) and what others
 * put there. Leaves out serving (the API server's) and anything that knows of pools or jobs.
 */
import { setMaxListeners } from 'node:events';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import { customResourceDefinitions, nodes as nodeType } from '../../platform/kube/builtin-resources.ts';
import { createEventRecorder } from '../../platform/kube/event-recorder.ts';
import type { EventRecorder } from '../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { KubeTransport } from '../../platform/kube/transport.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { createApiServer } from '../apiserver/api-server.ts';
import type { ApiServer, Identity } from '../apiserver/api-server.ts';
import type { KubeconfigUser, Listening } from '../apiserver/transport/listening.ts';
import { clientFor, sharedCopies } from './cluster-clients.ts';
import type { ClientDeps, SharedCopies } from './cluster-clients.ts';
import { JobController } from './jobs/job-controller.ts';
import type { KeeperTiming } from './kubelet/container-keeper.ts';
import type { ContainerRuntime } from './kubelet/container-runtime.ts';
import type { RunningProcess } from './kubelet/kubelet.ts';
import { NameDirectory } from './kubelet/name-directory.ts';
import { PodAddresses } from './kubelet/pod-addresses.ts';
import { ProcessRuntime } from './kubelet/process-runtime.ts';
import { createSimulatedRuntime } from './kubelet/simulated-runtime.ts';
import { NodeLifecycle, podsByNode } from './node-lifecycle.ts';
import { nodeConditions } from './node-shape.ts';
import type { SandboxNodeSpec } from './node-shape.ts';
import type { Pod } from './objects/pod.ts';
import { uidOf } from './objects/pod.ts';
import { createPodLogHandler } from './pod-logs.ts';
import { createSandboxNode, registeredNode } from './sandbox-node.ts';
import type { SandboxNode } from './sandbox-node.ts';
import { PodScheduler } from './scheduler/pod-scheduler.ts';

export interface SandboxClusterOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The member's own disk: `disk/` holds hostPath volumes, `pods/` everything of its pods. Made if absent. */
  readonly dataDir: string;
  readonly nodes: readonly SandboxNodeSpec[];
  /** CustomResourceDefinitions to create first. */
  readonly crds?: readonly KubeObject[];
  /** `processes` (default) runs real programs; `simulated` only passes time (simulated-runtime.ts). */
  readonly runtime?: 'processes' | 'simulated';
  /** Second byte of pod addresses, 1 to 254; clusters on one machine need different ones. Default: drawn. */
  readonly addressBlock?: number;
  /** Directories of programs for containers; default: where this Node is, then the usual ones. */
  readonly path?: string;
  readonly timing?: Partial<KeeperTiming>;
  /** Between lease renewals of a node; default 60 s. */
  readonly heartbeatMs?: number;
  /** Serve HTTPS on a free port of 127.0.0.1, for kubectl and other processes; default: with `processes` only. */
  readonly https?: boolean;
  /** Normal events as well as Warnings: nicer for people, more writes. Default false. */
  readonly verboseEvents?: boolean;
}

export interface SandboxCluster extends Runnable {
  readonly apiServer: ApiServer;
  /** `https://127.0.0.1:<port>`, once started and served. */
  readonly url: string | undefined;
  /** A kubeconfig file's text, for an administrator unless a user is named. Holds a key. Rejects when not served. */
  kubeconfig(user?: KubeconfigUser): Promise<string>;
  /** In-process transport; a cluster administrator without identity. */
  transport(identity?: Identity): KubeTransport;
  /** Resolves when the Node object exists and its kubelet works. */
  addNode(spec: SandboxNodeSpec): Promise<void>;
  /** The machine is gone, processes and all; its Node object too. */
  removeNode(name: string): Promise<void>;
  /** False: the kubelet stops talking and the node is unreachable, while its processes go on. */
  setNodeReady(name: string, ready: boolean): Promise<void>;
  cordon(name: string, on: boolean): Promise<void>;
  /** The kubelet stops talking; nobody has noticed yet: the node still counts as ready. */
  pauseKubelet(name: string): void;
  resumeKubelet(name: string): void;
  /** The API server's whole store as JSON text: a backup. */
  snapshot(): string;
  /** Puts a backup back, as an operator restores etcd; nodes and controllers find out as they would on a real cluster. */
  restore(snapshot: string, options?: { readonly bumpRevision?: number }): void;
  /** Processes of containers that run now. */
  processes(): readonly RunningProcess[];
  /** Board UUID to pod UID, over all nodes. */
  heldBoards(): ReadonlyMap<string, string>;
}

interface ClusterEvents {
  readonly scheduler: EventRecorder;
  readonly jobs: EventRecorder;
  readonly nodes: EventRecorder;
}

function recordersOf(events: ClusterEvents): readonly EventRecorder[] {
  return [events.scheduler, events.jobs, events.nodes];
}

const defaultTiming: KeeperTiming = { retryMs: 1000, restartBackoffMs: 10_000, longestBackoffMs: 300_000 };

export function createSandboxCluster(options: SandboxClusterOptions): SandboxCluster {
  return new ProcessCluster(options);
}

class ProcessCluster implements SandboxCluster {
  readonly name: string;
  readonly apiServer: ApiServer;
  private readonly options: SandboxClusterOptions;
  private readonly clientDeps: ClientDeps;
  private readonly admin: KubeClient;
  private readonly copies: SharedCopies;
  private readonly runtime: ContainerRuntime;
  private readonly addresses: PodAddresses;
  private readonly names: NameDirectory;
  private readonly events: ClusterEvents;
  private readonly jobController: JobController;
  private readonly controllers: readonly Runnable[];
  private readonly clients: KubeClient[] = [];
  private readonly nodesByName = new Map<string, SandboxNode>();
  private readonly podsDir: string;
  private readonly diskDir: string;
  private unsubscribe: () => void = () => undefined;
  private listening: Listening | undefined;
  private stopped: Promise<void> | undefined;
  private readonly lifetime = new AbortController();

  constructor(options: SandboxClusterOptions) {
    const { clock, random, logger } = options;
    this.name = `sandbox/${options.name}`;
    this.options = options;
    this.podsDir = join(options.dataDir, 'pods');
    this.diskDir = join(options.dataDir, 'disk');
    this.apiServer = createApiServer({ clock, random, logger, name: options.name });
    this.clientDeps = { clock, random, logger, transport: (identity) => this.apiServer.transport(identity) };
    this.admin = this.client('system:sandbox-admin');
    this.copies = sharedCopies(this.clientDeps, this.client('system:kube-controller-manager'));
    this.addresses = new PodAddresses(options.addressBlock ?? 1 + Math.floor(random.next() * 254));
    this.runtime =
      options.runtime === 'simulated'
        ? createSimulatedRuntime(clock)
        : new ProcessRuntime({ clock, logger, mark: `${options.name}-${random.uuid()}` });
    this.names = new NameDirectory({ clock, service: (ns, name) => this.copies.services.store.get(ns, name) });
    this.events = this.makeRecorders();
    const shared = { ...options, pods: this.copies.pods.store };
    this.jobController = new JobController({
      ...shared,
      events: this.events.jobs,
      client: this.client('system:serviceaccount:kube-system:job-controller'),
      jobs: this.copies.jobs.store,
    });
    const nodes = this.copies.nodes.store;
    this.controllers = [
      new NodeLifecycle({
        ...shared,
        client: this.client('system:serviceaccount:kube-system:node-controller'),
        nodes,
      }),
      new PodScheduler({
        ...shared,
        events: this.events.scheduler,
        client: this.client('system:kube-scheduler'),
        nodes,
      }),
      this.jobController,
    ];
    this.apiServer.registerSubresource(
      { group: '', resource: 'pods', subresource: 'log' },
      createPodLogHandler({ kubelet: (name) => this.nodesByName.get(name)?.kubelet, nowMs: () => clock.nowMs() }),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    // Every part listens to it: more than the ten listeners at which Node suspects a leak.
    setMaxListeners(0, this.lifetime.signal);
    try {
      await this.startAll(this.lifetime.signal);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    this.stopped ??= this.stopAll();
    return this.stopped;
  }

  private async startAll(signal: AbortSignal): Promise<void> {
    // Left behind by a sandbox that was killed: nobody knows these pods any more.
    await rm(this.podsDir, { recursive: true, force: true, maxRetries: 3 });
    await mkdir(this.podsDir, { recursive: true });
    await mkdir(this.diskDir, { recursive: true });
    const { https = this.options.runtime !== 'simulated' } = this.options;
    if (https) this.listening = await this.apiServer.listen();
    for (const crd of this.options.crds ?? []) await this.admin.create(customResourceDefinitions, crd);
    for (const spec of this.options.nodes) await this.addNode(spec);
    const { pods, nodes, jobs, services } = this.copies;
    for (const part of [...recordersOf(this.events), pods, nodes, jobs, services]) await part.start(signal);
    await Promise.all([pods, nodes, jobs, services].map((copy) => copy.store.whenSynced(signal)));
    for (const controller of this.controllers) await controller.start(signal);
    this.unsubscribe = this.dispatch();
  }

  private async stopAll(): Promise<void> {
    this.unsubscribe();
    const { pods, nodes, jobs, services } = this.copies;
    await Promise.all(this.controllers.map((controller) => controller.stop()));
    await Promise.all([...this.nodesByName.values()].map((node) => node.stop()));
    await this.runtime.stop();
    await Promise.all([pods, nodes, jobs, services, ...recordersOf(this.events)].map((part) => part.stop()));
    await Promise.all(this.clients.map((client) => client.close()));
    await this.apiServer.stop();
    this.lifetime.abort();
    await rm(this.podsDir, { recursive: true, force: true, maxRetries: 3 });
    await removeIfEmpty(this.diskDir);
    await removeIfEmpty(this.options.dataDir);
  }

  transport(identity?: Identity): KubeTransport {
    return identity === undefined ? this.apiServer.transport() : this.apiServer.transport(identity);
  }

  get url(): string | undefined {
    return this.listening?.url;
  }

  kubeconfig(user: KubeconfigUser = {}): Promise<string> {
    if (this.listening === undefined) return Promise.reject(new Error(`${this.name} does not serve HTTPS (yet)`));
    return this.listening.kubeconfig(user);
  }

  snapshot(): string {
    return this.apiServer.snapshot();
  }

  restore(snapshot: string, options: { readonly bumpRevision?: number } = {}): void {
    this.apiServer.restore(snapshot, options);
    this.jobController.relearn();
  }

  async addNode(spec: SandboxNodeSpec): Promise<void> {
    if (this.nodesByName.has(spec.name)) throw new Error(`nodes: ${JSON.stringify(spec.name)} exists already`);
    const { clock, random, logger } = this.options;
    const facts = {
      clusterName: this.options.name,
      address: this.addresses.takeForNode(),
      now: formatTimestamp(clock.nowMs()),
    };
    const object = registeredNode(spec, facts);
    const node = createSandboxNode(spec, object, {
      clusterName: this.options.name,
      clock,
      random,
      logger,
      client: this.client(`system:node:${spec.name}`),
      runtime: this.runtime,
      addresses: this.addresses,
      names: this.names,
      events: this.events.nodes,
      verboseEvents: this.options.verboseEvents === true,
      timing: { ...defaultTiming, ...this.options.timing },
      heartbeatMs: this.options.heartbeatMs ?? 60_000,
      podsDir: this.podsDir,
      diskDir: this.diskDir,
      path: this.options.path ?? defaultPath(),
      bound: () => this.copies.pods.store.byIndex(podsByNode, spec.name),
    });
    this.nodesByName.set(spec.name, node);
    await this.register(object);
    node.startBeating();
  }

  async removeNode(name: string): Promise<void> {
    const node = this.nodeNamed(name);
    this.nodesByName.delete(name);
    await node.stop();
    try {
      await this.admin.delete({ type: nodeType, name }, { propagationPolicy: 'Background' });
    } catch (error) {
      // Somebody deleted the object before us.
      if (!isNotFound(error)) throw error;
    }
  }

  async setNodeReady(name: string, ready: boolean): Promise<void> {
    const { kubelet } = this.nodeNamed(name);
    if (!ready) kubelet.setConnected(false);
    const since = formatTimestamp(this.options.clock.nowMs());
    const conditions = nodeConditions({ ready: ready ? 'True' : 'Unknown', since });
    await this.admin.mergePatch({ type: nodeType, name }, { status: { conditions } }, { subresource: 'status' });
    if (ready) kubelet.setConnected(true);
  }

  async cordon(name: string, on: boolean): Promise<void> {
    this.nodeNamed(name);
    await this.admin.mergePatch({ type: nodeType, name }, { spec: { unschedulable: on ? true : null } });
  }

  pauseKubelet(name: string): void {
    this.nodeNamed(name).kubelet.setConnected(false);
  }

  resumeKubelet(name: string): void {
    this.nodeNamed(name).kubelet.setConnected(true);
  }

  processes(): readonly RunningProcess[] {
    return [...this.nodesByName.values()].flatMap((node) => node.kubelet.processes());
  }

  heldBoards(): ReadonlyMap<string, string> {
    return new Map([...this.nodesByName.values()].flatMap((node) => [...node.kubelet.heldBoards()]));
  }

  private makeRecorders(): ClusterEvents {
    const { clock, logger, name } = this.options;
    const recorder = (component: string): EventRecorder =>
      createEventRecorder({ client: this.client('system:sandbox-events'), clock, component, instance: name, logger });
    return { scheduler: recorder('default-scheduler'), jobs: recorder('job-controller'), nodes: recorder('kubelet') };
  }

  /** Hands each change of a pod to the node that it is bound to, and changes of Services to those who wait for names. */
  private dispatch(): () => void {
    const stopPods = this.copies.pods.store.subscribe((event) => {
      if (event.kind === 'synced') return;
      const kubelet = this.nodesByName.get(event.object.spec.nodeName ?? '')?.kubelet;
      if (event.kind === 'deleted') kubelet?.forget(uidOf(event.object));
      else kubelet?.observe(event.object, event.kind === 'updated' && versionOf(event.object) < versionOf(event.old));
    });
    const stopServices = this.copies.services.store.subscribe(() => {
      this.names.look();
    });
    return () => {
      stopPods();
      stopServices();
    };
  }

  private async register(node: KubeObject & { readonly status?: unknown }): Promise<void> {
    const { status, ...rest } = node;
    await this.admin.create(nodeType, rest);
    const ref = { type: nodeType, name: node.metadata.name ?? '' };
    await this.admin.mergePatch(ref, { status }, { subresource: 'status' });
  }

  private nodeNamed(name: string): SandboxNode {
    const node = this.nodesByName.get(name);
    if (node === undefined) {
      throw new Error(
        `node ${JSON.stringify(name)} does not exist: there are ${[...this.nodesByName.keys()].join(', ')}`,
      );
    }
    return node;
  }

  private client(user: string): KubeClient {
    const client = clientFor(this.clientDeps, user);
    this.clients.push(client);
    return client;
  }
}

/** Versions of the sandbox's server are numbers; a smaller one after a larger means that its store was set back. */
function versionOf(pod: Pod): number {
  return Number(pod.metadata.resourceVersion);
}

function defaultPath(): string {
  return `${dirname(execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch {
    // Not empty, or gone: what is in it is not ours to remove.
  }
}
