import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeRequestRecord } from '../../src/platform/kube/request-accounting.ts';
import type { MetricsRegistry } from '../../src/platform/metrics/registry.ts';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  isSucceeded,
  namespace,
  type Side,
} from '../support/in-process-federation.ts';

const WRITES = new Set<KubeRequestRecord['verb']>(['create', 'update', 'patch', 'delete']);
const SINGLE = 14;
const GANGS = 6;

/** What Node itself complains about, such as too many listeners. */
const warnings: string[] = [];
process.on('warning', (warning) => warnings.push(`${warning.name}: ${warning.message}`));

let federation: InProcessFederation;
beforeAll(async () => {
  federation = await InProcessFederation.start({
    members: [
      { name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 16 }], policy: { finishedRetention: '1s' } },
      { name: 'south', nodes: [{ name: 'n-1', gpuModel: 'L4', gpus: 4 }] },
    ],
  });
  await federation.apply(namespace('team-a'), aPool({ name: 'research', tenants: { 'team-a': 1 } }));
  // The tenant's ground on the member is laid once, by its first job.
  await federation.apply(aJob({ key: 'team-a/warm-up', pool: 'research', spec: { gpu: { models: ['T4'] } } }));
  await federation.whenJob('team-a/warm-up', isSucceeded);
  await settled();
});
afterAll(() => federation.stop());

/** Nothing but leases is asked for any more. */
async function settled(): Promise<void> {
  let last = -1;
  let quietSinceMs = performance.now();
  await eventually(
    () => {
      const now = [federation.hub, ...federation.members.values()].reduce((sum, side) => sum + asked(side).length, 0);
      if (now !== last) quietSinceMs = performance.now();
      last = now;
      return performance.now() - quietSinceMs > 1_500;
    },
    { what: 'the federation is idle', withinMs: 20_000 },
  );
}

function asked(side: Side, from = 0): readonly KubeRequestRecord[] {
  return side.requests.slice(from).filter((one) => one.resource !== 'leases' && one.verb !== 'watch');
}

interface Account {
  readonly hubWrites: number;
  readonly hubEvents: number;
  readonly memberWrites: number;
  readonly reads: number;
  readonly idleMember: number;
  readonly text: string;
}

/** What the two programs ask of their clusters from before `work` until everything is cleaned up. */
async function accountOf(work: () => Promise<void>): Promise<Account> {
  const north = federation.member('north');
  const south = federation.member('south');
  const from = [federation.hub, north, south].map((side) => side.requests.length) as [number, number, number];
  await work();
  await settled();
  const hub = asked(federation.hub, from[0]);
  const busy = asked(north, from[1]);
  const idle = asked(south, from[2]);
  const writesIn = (requests: readonly KubeRequestRecord[]): readonly KubeRequestRecord[] =>
    // What the agent says of its policy, at most once a minute, is no matter of jobs.
    requests.filter((one) => WRITES.has(one.verb) && one.resource !== 'lendingpolicies');
  const counts = new Map<string, number>();
  for (const [where, requests] of [
    ['hub', hub],
    ['north', busy],
  ] as const) {
    for (const { verb, resource, subresource } of requests) {
      const key = `${where} ${verb} ${resource}/${subresource}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  const jobWrites = writesIn(hub).filter((one) => one.resource === 'computejobs');
  return {
    hubWrites: jobWrites.length,
    hubEvents: writesIn(hub).filter((one) => one.resource === 'events').length,
    memberWrites: writesIn(busy).length,
    reads: [...hub, ...busy].filter((one) => one.verb === 'get' || one.verb === 'list').length,
    idleMember: writesIn(idle).length + idle.filter((one) => one.verb !== 'patch').length,
    text: JSON.stringify([...counts], undefined, 1),
  };
}

function batch(prefix: string, count: number, workers: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `team-a/${prefix}-${at}-of-${workers}`);
}

async function runAll(keys: readonly string[], workers: number): Promise<void> {
  const spec = { gpu: { models: ['T4'] }, workers, ttlAfterFinished: '24h' };
  await Promise.all(keys.map((key) => federation.apply(aJob({ key, pool: 'research', duration: '200ms', spec }))));
  await Promise.all(keys.map((key) => federation.whenJob(key, isSucceeded, 30_000)));
}

describe('what a federation asks of its API servers', () => {
  it(
    'is at most 4 writes and 2 events on the hub and 3 + 2 on the member for a job, and no read',
    { timeout: 60_000 },
    async () => {
      const account = await accountOf(() => runAll(batch('single', SINGLE, 1), 1));
      expect(account.hubWrites / SINGLE, account.text).toBeLessThanOrEqual(4);
      expect(account.hubEvents / SINGLE, account.text).toBeLessThanOrEqual(2);
      expect(account.memberWrites / SINGLE, account.text).toBeLessThanOrEqual(5);
      expect(account.reads, account.text).toBe(0);
      expect(account.idleMember, account.text).toBe(0);
    },
  );

  it('is the same for a job that comes alone', async () => {
    const account = await accountOf(() => runAll(['team-a/alone'], 1));
    expect(account.hubWrites, account.text).toBeLessThanOrEqual(4);
    expect(account.hubEvents, account.text).toBeLessThanOrEqual(2);
    expect(account.memberWrites, account.text).toBeLessThanOrEqual(5);
    expect(account.reads, account.text).toBe(0);
  });

  it('makes Node warn of nothing, however much is under way at once', () => {
    expect(warnings).toEqual([]);
  });

  it('is 2 more on the member for a gang', { timeout: 60_000 }, async () => {
    const account = await accountOf(() => runAll(batch('gang', GANGS, 2), 2));
    expect(account.hubWrites / GANGS, account.text).toBeLessThanOrEqual(4);
    expect(account.hubEvents / GANGS, account.text).toBeLessThanOrEqual(2);
    expect(account.memberWrites / GANGS, account.text).toBeLessThanOrEqual(7);
    expect(account.reads, account.text).toBe(0);
    expect(account.idleMember, account.text).toBe(0);
  });
});

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads a page as Prometheus does, strictly. Throws at the first line that it would not take. */
function parsePage(page: string): { readonly types: ReadonlyMap<string, string>; readonly samples: readonly Sample[] } {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
  const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"';
  const sample = new RegExp(`^(${name})(?:\\{((?:${label})(?:,${label})*)\\})? (-?[0-9.e+-]+|[+-]?Inf|NaN)$`);
  for (const line of page.split('\n')) {
    const type = new RegExp(`^# TYPE (${name}) (counter|gauge|histogram|summary|untyped)$`).exec(line);
    if (type !== null) {
      if (types.has(type[1] ?? '')) throw new Error(`TYPE of ${type[1] ?? ''} comes twice`);
      types.set(type[1] ?? '', type[2] ?? '');
      continue;
    }
    if (line === '' || line.startsWith('# HELP ')) continue;
    const read = sample.exec(line);
    if (read === null) throw new Error(`no sample: ${line}`);
    const labels = Object.fromEntries(
      [...(read[2] ?? '').matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', value = '']) => [
        key,
        value,
      ]),
    );
    const value = read[3] === '+Inf' ? Number.POSITIVE_INFINITY : Number(read[3]);
    samples.push({ name: read[1] ?? '', labels, value });
  }
  const seen = new Set<string>();
  for (const one of samples) {
    const key = `${one.name} ${JSON.stringify(Object.entries(one.labels).sort())}`;
    if (seen.has(key)) throw new Error(`a series comes twice: ${key}`);
    seen.add(key);
  }
  return { types, samples };
}

type Page = ReturnType<typeof parsePage>;

function valueOf(page: Page, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const fitting = page.samples.filter(
    (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
  );
  return fitting.length === 0 ? undefined : fitting.reduce((sum, one) => sum + one.value, 0);
}

async function fetchPage(port: number): Promise<Page> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return parsePage(await response.text());
}

describe('metrics and health after a run', () => {
  const done = 2 + SINGLE + GANGS;

  it('of the hub are a page that Prometheus reads, with the families and numbers of what happened', async () => {
    const page = await fetchPage(federation.hubApp.ports.metrics);
    expect(valueOf(page, 'lumbung_build_info', { component: 'hub' })).toBe(1);
    const north = { member_cluster: 'north', pool: 'research', gpu_model: 'T4' };
    expect(valueOf(page, 'lumbung_gpus', north)).toBe(16);
    expect(valueOf(page, 'lumbung_gpus', { ...north, state: 'idle' })).toBe(16);
    expect(valueOf(page, 'lumbung_gpus', { member_cluster: 'south' })).toBe(4);
    expect(valueOf(page, 'lumbung_jobs', { pool: 'research', tenant: 'team-a', phase: 'Succeeded' })).toBe(done);
    expect(valueOf(page, 'lumbung_jobs_completed_total', { result: 'Succeeded' })).toBe(done);
    for (const histogram of ['lumbung_job_queue_wait_seconds', 'lumbung_job_run_seconds']) {
      expect(page.types.get(histogram)).toBe('histogram');
      expect(valueOf(page, `${histogram}_count`, { pool: 'research' })).toBe(done);
      expect(valueOf(page, `${histogram}_bucket`, { pool: 'research', le: '+Inf' })).toBe(done);
    }
    expect(valueOf(page, 'lumbung_placement_seconds_count')).toBe(done);
    expect(valueOf(page, 'lumbung_dispatches_total', { member_cluster: 'north' })).toBe(done);
    expect(valueOf(page, 'lumbung_member_cluster_ready', { member_cluster: 'south' })).toBe(1);
    expect(valueOf(page, 'leader_election_master_status')).toBe(1);
    expect(valueOf(page, 'controller_runtime_reconcile_total', { controller: 'computejob' })).toBeGreaterThan(done);
    expect(valueOf(page, 'controller_runtime_reconcile_errors_total') ?? 0).toBe(0);
    expect(
      valueOf(page, 'controller_runtime_reconcile_time_seconds_count', { controller: 'computejob' }),
    ).toBeGreaterThan(0);
    expect(valueOf(page, 'workqueue_adds_total', { name: 'computejob' })).toBeGreaterThan(0);
    expect(valueOf(page, 'workqueue_depth', { name: 'computejob' })).toBe(0);
    expect(valueOf(page, 'rest_client_requests_total', { method: 'PATCH', code: '200' })).toBeGreaterThan(3 * SINGLE);
    expect(valueOf(page, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
    expect([...page.types.keys()].some((name) => name.startsWith('nodejs_'))).toBe(true);
  });

  it("of an agent are one, too, and tell its cluster's side", async () => {
    const page = await fetchPage(federation.member('north').agent.ports.metrics);
    expect(valueOf(page, 'lumbung_build_info', { component: 'agent' })).toBe(1);
    expect(valueOf(page, 'lumbung_agent_hub_connected')).toBe(1);
    expect(valueOf(page, 'lumbung_agent_gpus', { gpu_model: 'T4' })).toBe(16);
    expect(valueOf(page, 'lumbung_agent_offered_gpus', { gpu_model: 'T4' })).toBe(16);
    expect(valueOf(page, 'lumbung_agent_runs_started_total')).toBe(done);
    expect(valueOf(page, 'lumbung_agent_runs_ended_total', { cause: 'Completed' })).toBe(done);
    expect(valueOf(page, 'lumbung_agent_report_lag_seconds')).toBeLessThan(10);
    expect(valueOf(page, 'lumbung_agent_certificate_expiry_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000);
    expect(valueOf(page, 'rest_client_requests_total', { code: '201' })).toBeGreaterThan(2 * done);
    expect(valueOf(page, 'leader_election_master_status')).toBe(1);
  });

  it('series of a deleted member vanish with it', async () => {
    const metrics: MetricsRegistry = federation.hub.metrics;
    expect(await metrics.expose()).toContain('member_cluster="south"');
    await federation.lumbung('member', 'leave', 'south', '--timeout', '15');
    await eventually(
      async () => valueOf(parsePage(await metrics.expose()), 'lumbung_gpus', { member_cluster: 'south' }) === undefined,
      {
        what: 'no GPUs of south',
      },
    );
  });

  it.each(['hub', 'north'])('%s answers /healthz and /readyz, and nothing else', async (which) => {
    const port = which === 'hub' ? federation.hubApp.ports.metrics : federation.member(which).agent.ports.metrics;
    for (const path of ['healthz', 'readyz']) {
      const response = await fetch(`http://127.0.0.1:${port}/${path}`);
      expect([path, response.status]).toEqual([path, 200]);
    }
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  });
});
