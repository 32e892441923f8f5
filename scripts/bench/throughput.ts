/**
 * 1,000 one-GPU jobs from 4 creators through one hub and three members on sandboxes whose containers only pass time: jobs a
 * second, latencies, API writes per job by our own accounts, memory, and what an idle federation asks of its API servers.
 */
import { COMPUTE_JOB_RESOURCE, type ComputeJob } from '../../src/api/v1alpha1/compute-job.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { eventually } from '../../test/support/eventually.ts';
import { Federation, type FederationCluster } from '../../test/support/federation.ts';
import { applyFile } from '../../test/support/yaml-objects.ts';
import { measured, processUse, quantile, type BenchResult } from './result.ts';

const creators = 4;

export interface ThroughputOptions {
  readonly jobs: number;
  readonly progress: (text: string) => void;
  readonly profile: boolean;
}

interface Times {
  createdMs: number;
  placedMs?: number;
  runningMs?: number;
  doneMs?: number;
}

type Counts = Map<string, number>;

export async function throughput(options: ThroughputOptions): Promise<readonly BenchResult[]> {
  const nodeArgs = options.profile ? ['--cpu-prof', '--cpu-prof-dir=bench/profiles'] : [];
  const nodes = (
    name: string,
    gpuModel: string,
  ): { readonly name: string; readonly gpuModel: string; readonly gpus: number }[] =>
    Array.from({ length: 8 }, (_, at) => ({ name: `${name}-${at + 1}`, gpuModel, gpus: 8 }));
  const federation = await Federation.start({
    runtime: 'simulated',
    members: [
      { name: 'one', jurisdiction: 'ID', nodes: nodes('one', 'H100-80GB') },
      { name: 'two', jurisdiction: 'SG', nodes: nodes('two', 'A100-80GB') },
      { name: 'three', jurisdiction: 'DE', nodes: nodes('three', 'T4') },
    ],
    hubNodeArgs: nodeArgs,
    agentNodeArgs: nodeArgs,
    hubSettings: { 'log-level': 'warn' },
    agentSettings: { 'log-level': 'warn' },
    progress: options.progress,
  });
  try {
    await applyFile(federation.hubCluster.client, 'manifests/samples/pool.yaml');
    const idle = await idleRequests(federation, options);
    const counts = countRequests(federation);
    options.progress(`creating ${options.jobs} jobs`);
    const { times, startedMs } = await createAndFollow(federation, options);
    const seconds = (Math.max(...times.map((time) => time.doneMs ?? Number.NaN)) - startedMs) / 1000;
    const memory = await memoryOf(federation);
    return [
      measured('jobs per second, create to succeeded', options.jobs / seconds, '1/s'),
      ...latency(
        'created to placed',
        times.map((time) => (time.placedMs ?? Number.NaN) - time.createdMs),
      ),
      ...latency(
        'created to running',
        times.map((time) => (time.runningMs ?? time.doneMs ?? Number.NaN) - time.createdMs),
      ),
      ...perJob(counts, options.jobs),
      ...memory,
      ...idle,
    ];
  } finally {
    await federation.stop();
  }
}

function latency(name: string, values: readonly number[]): readonly BenchResult[] {
  return [0.5, 0.95, 0.99].map((q) => measured(`${name}, p${q * 100}`, quantile(values, q), 'ms'));
}

function job(at: number): KubeObject {
  return {
    apiVersion: 'lumbung.dev/v1alpha1',
    kind: 'ComputeJob',
    metadata: { name: `job-${at}`, namespace: at % 2 === 0 ? 'team-a' : 'team-b' },
    spec: {
      pool: 'research',
      template: {
        spec: {
          containers: [
            {
              name: 'main',
              image: 'work:1',
              command: ['work'],
              resources: { limits: { cpu: '100m', memory: '64Mi' } },
            },
          ],
        },
      },
    },
  } as KubeObject;
}

async function createAndFollow(
  federation: Federation,
  options: ThroughputOptions,
): Promise<{ readonly times: readonly Times[]; readonly startedMs: number }> {
  const { client } = federation.hubCluster;
  const times = new Map<string, Times>();
  const stop = new AbortController();
  let done = 0;
  const watching = (async () => {
    const { metadata } = await client.list(COMPUTE_JOB_RESOURCE, { limit: 1 });
    for await (const event of client.watch<KubeObject & { readonly status?: ComputeJob['status'] }>(
      COMPUTE_JOB_RESOURCE,
      {
        ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
        signal: stop.signal,
        timeoutMs: 600_000,
      },
    )) {
      if (event.type === 'BOOKMARK' || event.type === 'ERROR') continue;
      const time = times.get(event.object.metadata.name ?? '');
      if (time === undefined) continue;
      const nowMs = performance.now();
      const { status } = event.object;
      if (status?.run !== undefined) time.placedMs ??= nowMs;
      if (status?.phase === 'Running') time.runningMs ??= nowMs;
      if (status?.phase === 'Succeeded' && time.doneMs === undefined) {
        time.doneMs = nowMs;
        done += 1;
      }
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const startedMs = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: creators }, async () => {
      while (next < options.jobs) {
        const at = next++;
        times.set(`job-${at}`, { createdMs: performance.now() });
        await client.create(COMPUTE_JOB_RESOURCE, job(at));
      }
    }),
  );
  options.progress(`created in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  let shown = 0;
  await eventually(
    () => {
      if (done - shown >= 200) {
        shown = done;
        options.progress(`${done} of ${options.jobs} done`);
      }
      return done === options.jobs;
    },
    { what: `all ${options.jobs} jobs succeed (${done} did)`, withinMs: 300_000, everyMs: 100 },
  );
  // Clean-up of the member side counts too: give it its time before the accounts are closed.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  stop.abort();
  await watching;
  return { times: [...times.values()], startedMs };
}

/** Requests of hub and agents (by user) on every cluster, from now on: `cluster user verb resource/subresource`. */
function countRequests(federation: Federation): Counts {
  const counts: Counts = new Map();
  const listen = (cluster: FederationCluster, side: string): void => {
    cluster.sandbox.apiServer.onRequest((record) => {
      if (!record.user.startsWith('lumbung-')) return;
      const key = `${side} ${record.verb} ${record.resource}${record.subresource === '' ? '' : `/${record.subresource}`}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    });
  };
  listen(federation.hubCluster, 'hub');
  for (const member of federation.members.values()) listen(member, 'member');
  return counts;
}

const writes = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

function perJob(counts: Counts, jobs: number): readonly BenchResult[] {
  const sum = (wanted: (side: string, verb: string, resource: string) => boolean): number => {
    let total = 0;
    for (const [key, count] of counts) {
      const [side = '', verb = '', resource = ''] = key.split(' ');
      if (wanted(side, verb, resource)) total += count;
    }
    return total / jobs;
  };
  const isLease = (resource: string): boolean => resource === 'leases';
  const each = [...counts].sort().map(([key, count]) => measured(`requests per job: ${key}`, count / jobs, '1/job'));
  return [
    measured(
      'API writes per job on the hub',
      sum((side, verb, resource) => side === 'hub' && writes.has(verb) && resource !== 'events' && !isLease(resource)),
      '1/job',
      '<= 4',
    ),
    measured(
      'events per job on the hub',
      sum((side, verb, resource) => side === 'hub' && writes.has(verb) && resource === 'events'),
      '1/job',
      '<= 2',
    ),
    measured(
      'API writes per job on members, clean-up included',
      sum((side, verb, resource) => side === 'member' && writes.has(verb) && !isLease(resource)),
      '1/job',
      '<= 5',
    ),
    measured(
      'GET and LIST per job',
      sum((_side, verb, resource) => (verb === 'get' || verb === 'list') && !isLease(resource)),
      '1/job',
      '<= 0.01',
    ),
    ...each,
  ];
}

async function memoryOf(federation: Federation): Promise<readonly BenchResult[]> {
  const hub = await processUse(federation.hub.pid ?? 0);
  const agents = await Promise.all([...federation.members.values()].map((member) => processUse(member.agent.pid ?? 0)));
  return [
    measured('hub RSS after it', hub.rssMb, 'MB', '<= 150'),
    measured('largest agent RSS after it', Math.max(...agents.map((use) => use.rssMb)), 'MB', '<= 80'),
    measured('hub CPU, from start', hub.cpuSeconds, 's'),
    measured(
      'agents CPU, sum, from start',
      agents.reduce((total, use) => total + use.cpuSeconds, 0),
      's',
    ),
  ];
}

async function idleRequests(federation: Federation, options: ThroughputOptions): Promise<readonly BenchResult[]> {
  const seconds = 15;
  options.progress(`watching the idle federation for ${seconds} s`);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const counts = countRequests(federation);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const leases = [...counts].filter(([key]) => key.includes('leases')).reduce((sum, [, count]) => sum + count, 0);
  return [
    measured('idle: requests a second but for leader leases, all clusters', (total - leases) / seconds, '1/s', '<= 1'),
    measured('idle: lease renewals a second, all clusters', leases / seconds, '1/s'),
  ];
}
