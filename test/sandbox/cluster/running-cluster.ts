/** A sandbox cluster with real processes for a test file: started before, stopped and removed after. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { events, jobs, nodes, pods } from '../../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../../src/platform/kube/kube-client.ts';
import { isNotFound } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import type { Job, JobSpec } from '../../../src/sandbox/cluster/objects/job.ts';
import type { Node } from '../../../src/sandbox/cluster/objects/node.ts';
import type { Container, Pod, PodSpec } from '../../../src/sandbox/cluster/objects/pod.ts';
import { createSandboxCluster } from '../../../src/sandbox/cluster/sandbox-cluster.ts';
import type { SandboxCluster, SandboxClusterOptions } from '../../../src/sandbox/cluster/sandbox-cluster.ts';

export const namespace = 'default';

export interface RunningCluster {
  readonly cluster: SandboxCluster;
  readonly client: KubeClient;
  readonly dataDir: string;
  /** Error lines that the cluster logged: a test ends with none. */
  readonly errors: readonly string[];
  pod(name: string): Promise<Pod | undefined>;
  job(name: string): Promise<Job | undefined>;
  node(name: string): Promise<Node>;
  jobPods(name: string): Promise<readonly Pod[]>;
  eventReasons(name: string): Promise<readonly string[]>;
  createPod(name: string, spec: Partial<PodSpec>, metadata?: Partial<Pod['metadata']>): Promise<Pod>;
  createJob(name: string, spec: Partial<JobSpec>, container?: Partial<Container>): Promise<Job>;
  deletePod(name: string, gracePeriodSeconds?: number): Promise<void>;
  logs(pod: string, query?: string): Promise<string>;
  stop(): Promise<void>;
}

let blocks = 1 + (process.pid % 200);

export async function startCluster(options: Partial<SandboxClusterOptions> = {}): Promise<RunningCluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sandbox-cluster-'));
  const clock = options.clock ?? systemClock();
  const random = seededRandom(`cluster/${process.pid}`);
  const errors: string[] = [];
  const logger = createSinkLogger('warn', (level, message, fields) => {
    if (process.env['SANDBOX_TEST_LOG'] !== undefined) console.log(level, message, JSON.stringify(fields));
    if (level === 'error') errors.push(`${message} ${JSON.stringify(fields)}`);
  });
  const cluster = createSandboxCluster({
    name: 'test',
    clock,
    random,
    logger,
    dataDir,
    nodes: [{ name: 'n1', gpuModel: 'H100-80GB', gpus: 8 }],
    addressBlock: (blocks = (blocks % 250) + 1),
    https: false,
    timing: { retryMs: 100, restartBackoffMs: 100, longestBackoffMs: 400 },
    ...options,
  });
  await cluster.start(new AbortController().signal);
  const client = createKubeClient({ transport: cluster.transport(), clock, random, userAgent: 'test' });
  const found = async <T extends KubeObject>(type: typeof pods, name: string): Promise<T | undefined> => {
    try {
      return await client.get<T>({ type, namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return {
    cluster,
    client,
    dataDir,
    errors,
    pod: (name) => found<Pod>(pods, name),
    job: (name) => found<Job>(jobs, name),
    node: (name) => client.get<Node>({ type: nodes, name }),
    jobPods: async (name) => (await client.list<Pod>(pods, { namespace, labelSelector: `job-name=${name}` })).items,
    eventReasons: async (name) => {
      const list = await client.list<KubeObject & { readonly reason: string }>(events, {
        namespace,
        fieldSelector: `involvedObject.name=${name}`,
      });
      return list.items.map((event) => event.reason);
    },
    createPod: (name, spec, metadata = {}) =>
      client.create<Pod>(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, ...metadata },
        spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'i', command: ['true'] }], ...spec },
      } as Pod),
    createJob: (name, spec, container = {}) => {
      const containers = [{ name: 'main', image: 'i', command: ['true'], ...container }];
      return client.create<Job>(jobs, {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name, namespace },
        spec: {
          parallelism: 1,
          completions: 1,
          completionMode: 'Indexed',
          backoffLimit: 0,
          podReplacementPolicy: 'Failed',
          template: { spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers } },
          ...spec,
        },
      } as Job);
    },
    deletePod: (name, gracePeriodSeconds) =>
      client.delete(
        { type: pods, namespace, name },
        { propagationPolicy: 'Background', ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) },
      ),
    logs: async (pod, query = '') => {
      const parts: Uint8Array[] = [];
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?${query}`;
      for await (const part of await client.rawStream(path)) parts.push(part);
      return Buffer.concat(parts).toString('utf8');
    },
    stop: async () => {
      await client.close();
      await cluster.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function shell(script: string, more: Partial<Container> = {}): Partial<PodSpec> {
  return { containers: [{ name: 'main', image: 'i', command: ['sh', '-c', script], ...more }] };
}

export function gpus(count: number): Pick<Container, 'resources'> {
  return { resources: { limits: { 'nvidia.com/gpu': String(count) } } };
}
