/**
 * What is, as metrics: filled from hub state at each scrape, so that nothing is counted twice and the series of what was
 * deleted vanish with it. A replica that does not lead knows nothing and shows nothing but its build.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Gauge, MetricsRegistry } from '../../platform/metrics/registry.ts';
import type { GpuCounts } from '../../core/model/member.ts';
import { JOB_PHASES, type JobPhase } from '../../api/v1alpha1/compute-job-status.ts';
import type { HubState } from '../state/hub-state.ts';
import type { JobEntry } from '../state/job-book.ts';
import { clusterOf, type MemberEntry } from '../state/member-record.ts';
import { readinessOf } from '../state/member-readiness.ts';
import { tenantOf } from '../state/tenancy.ts';

const GPU_STATES = ['owner', 'parked', 'idle', 'lent', 'unhealthy', 'unknown'] as const;

export interface StateMetricsDeps {
  readonly state: HubState;
  readonly clock: Clock;
  readonly metrics: MetricsRegistry;
  readonly build: { readonly version: string; readonly commit: string };
}

interface Gauges {
  readonly gpus: Gauge<'member_cluster' | 'pool' | 'vendor' | 'gpu_model' | 'state'>;
  readonly offered: Gauge<'member_cluster' | 'pool' | 'vendor' | 'gpu_model'>;
  readonly jobs: Gauge<'pool' | 'tenant' | 'phase'>;
  readonly guard: Gauge<never>;
  readonly lastReport: Gauge<'member_cluster'>;
  readonly info: Gauge<'member_cluster' | 'pool' | 'jurisdiction' | 'region' | 'agent_version' | 'kubernetes_version'>;
  readonly ready: Gauge<'member_cluster'>;
}

/** Registers the families and fills them at every scrape from now on. */
export function observeState(deps: StateMetricsDeps): void {
  const { metrics, build } = deps;
  const gauges = makeGauges(metrics);
  metrics
    .gauge({
      name: 'lumbung_build_info',
      help: 'Always 1; the build in its labels.',
      labels: ['version', 'commit', 'component'],
    })
    .set({ ...build, component: 'hub' }, 1);
  metrics.onScrape(() => {
    fill(gauges, deps);
  });
}

function makeGauges(metrics: MetricsRegistry): Gauges {
  return {
    gpus: metrics.gauge({
      name: 'lumbung_gpus',
      help: 'Physical GPUs by state; the states of one member and model sum to its boards.',
      labels: ['member_cluster', 'pool', 'vendor', 'gpu_model', 'state'],
    }),
    offered: metrics.gauge({
      name: 'lumbung_gpus_offered',
      help: 'GPUs that a member lends right now on request; part of those that are idle.',
      labels: ['member_cluster', 'pool', 'vendor', 'gpu_model'],
    }),
    jobs: metrics.gauge({
      name: 'lumbung_jobs',
      help: 'Jobs by pool, tenant and phase.',
      labels: ['pool', 'tenant', 'phase'],
    }),
    guard: metrics.gauge({
      name: 'lumbung_mass_expiry_guard_active',
      help: '1 while no run is placed again for the silence of its member.',
      labels: [],
    }),
    lastReport: metrics.gauge({
      name: 'lumbung_agent_last_report_timestamp_seconds',
      help: 'When the last report of a member arrived, in seconds since the Unix epoch.',
      labels: ['member_cluster'],
    }),
    info: metrics.gauge({
      name: 'lumbung_member_cluster_info',
      help: 'Always 1; what a member is in its labels.',
      labels: ['member_cluster', 'pool', 'jurisdiction', 'region', 'agent_version', 'kubernetes_version'],
    }),
    ready: metrics.gauge({
      name: 'lumbung_member_cluster_ready',
      help: '1 when the member takes work now.',
      labels: ['member_cluster'],
    }),
  };
}

function fill(gauges: Gauges, { state }: StateMetricsDeps): void {
  for (const gauge of Object.values(gauges) as Gauge<never>[]) gauge.reset();
  if (!state.leading) return;
  gauges.guard.set({}, state.liveness.guardActive ? 1 : 0);
  for (const member of state.members.all()) fillMember(gauges, member, state);
  const counts = new Map<
    string,
    { readonly pool: string; readonly tenant: string; readonly phase: JobPhase; count: number }
  >();
  for (const entry of state.jobs.all()) {
    const { pool, tenant } = whoseJob(entry, state);
    const phase = phaseOfEntry(entry);
    const key = `${pool}\n${tenant}\n${phase}`;
    const known = counts.get(key) ?? { pool, tenant, phase, count: 0 };
    known.count += 1;
    counts.set(key, known);
  }
  for (const { pool, tenant, phase, count } of counts.values()) gauges.jobs.set({ pool, tenant, phase }, count);
}

function fillMember(gauges: Gauges, member: MemberEntry, state: HubState): void {
  const { name, report } = member;
  const assignment = state.membership.byMember.get(name) ?? { kind: 'none' };
  const pool = assignment.kind === 'assigned' ? assignment.pool : '';
  gauges.ready.set({ member_cluster: name }, readinessOf(member, assignment) === 'Ready' ? 1 : 0);
  gauges.info.set(infoOf(member, pool), 1);
  if (member.heardAtWallMs !== undefined) gauges.lastReport.set({ member_cluster: name }, member.heardAtWallMs / 1000);
  for (const gpu of summed(report?.gpus ?? [])) {
    const labels = { member_cluster: name, pool, vendor: gpu.vendor, gpu_model: gpu.gpuModel };
    for (const gpuState of GPU_STATES) gauges.gpus.set({ ...labels, state: gpuState }, gpu[gpuState]);
    gauges.offered.set(labels, gpu.offered);
  }
}

function infoOf(member: MemberEntry, pool: string): Parameters<Gauges['info']['set']>[0] {
  const { jurisdiction = '', region = '' } = clusterOf(member)?.spec ?? {};
  const { agentVersion = '', kubernetesVersion = '' } = member.session ?? {};
  const versions = { agent_version: agentVersion, kubernetes_version: kubernetesVersion };
  return { member_cluster: member.name, pool, jurisdiction, region, ...versions };
}

/** One row for each vendor and model. */
function summed(gpus: readonly GpuCounts[]): readonly GpuCounts[] {
  const rows = new Map<string, GpuCounts>();
  for (const gpu of gpus) {
    const key = `${gpu.vendor}/${gpu.gpuModel}`;
    const known = rows.get(key);
    if (known === undefined) rows.set(key, gpu);
    else {
      const sums = [...GPU_STATES, 'total' as const, 'offered' as const].map((field) => [
        field,
        known[field] + gpu[field],
      ]);
      rows.set(key, { ...known, ...(Object.fromEntries(sums) as Partial<GpuCounts>) });
    }
  }
  return [...rows.values()];
}

function whoseJob({ record }: JobEntry, state: HubState): { readonly pool: string; readonly tenant: string } {
  if (record.run !== undefined) return { pool: record.run.terms.pool, tenant: record.run.terms.tenant };
  if (record.reading.kind === 'invalid') return { pool: '', tenant: '' };
  const { pool, key } = record.reading.spec;
  const rules = state.poolRules(pool);
  return { pool, tenant: (rules === undefined ? undefined : tenantOf(rules, key.namespace)?.name) ?? '' };
}

/** As last written; what has no status yet waits. */
function phaseOfEntry({ record, assumed }: JobEntry): JobPhase {
  if (assumed !== undefined) return 'Starting';
  const phase = record.status.phase ?? 'Pending';
  return JOB_PHASES.includes(phase) ? phase : 'Unknown';
}
