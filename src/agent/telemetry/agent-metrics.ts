/**
 * Every metric family of the agent, in one place. Decides names, labels and buckets; what moves with state is filled at scrape
 * time (state-gauges.ts), what happens is counted where it happens.
 */
import {
  durationBucketsSeconds,
  type Counter,
  type Gauge,
  type Histogram,
  type MetricsRegistry,
} from '../../platform/metrics/registry.ts';

export interface AgentMetrics {
  readonly buildInfo: Gauge<'version' | 'commit' | 'component'>;
  readonly hubConnected: Gauge<never>;
  readonly reportLagSeconds: Gauge<never>;
  readonly reports: Counter<'inventory'>;
  readonly reportAcks: Counter<'verdict'>;
  readonly sessionEnds: Counter<'reason'>;
  readonly logSessions: Counter<'result'>;
  readonly runs: Gauge<'phase'>;
  readonly offeredGpus: Gauge<'vendor' | 'gpu_model'>;
  readonly gpus: Gauge<'vendor' | 'gpu_model' | 'state'>;
  readonly nodesNotLent: Gauge<'reason'>;
  readonly reclaims: Counter<'by'>;
  readonly reclaimSeconds: Histogram<never>;
  readonly ownerPodsBlocked: Gauge<never>;
  readonly runsStarted: Counter<never>;
  readonly runsEnded: Counter<'cause'>;
  readonly policyEnds: Counter<'limit'>;
  readonly fenceRejections: Counter<'reason'>;
  readonly certificateExpiry: Gauge<never>;
  readonly certificateRenewals: Counter<'result'>;
}

export function createAgentMetrics(metrics: MetricsRegistry): AgentMetrics {
  const families = { ...linkMetrics(metrics), ...stateMetrics(metrics), ...eventMetrics(metrics) };
  // A gauge without labels begins at 0, which would read as an expired certificate.
  families.certificateExpiry.remove({});
  return families;
}

type LinkMetrics = Pick<
  AgentMetrics,
  'buildInfo' | 'hubConnected' | 'reportLagSeconds' | 'reports' | 'reportAcks' | 'sessionEnds' | 'logSessions'
>;

function linkMetrics(metrics: MetricsRegistry): LinkMetrics {
  return {
    buildInfo: metrics.gauge({
      name: 'lumbung_build_info',
      help: 'Always 1; the build in its labels.',
      labels: ['version', 'commit', 'component'],
    }),
    hubConnected: metrics.gauge({
      name: 'lumbung_agent_hub_connected',
      help: '1 while the hub has welcomed this agent in the open session.',
      labels: [],
    }),
    reportLagSeconds: metrics.gauge({
      name: 'lumbung_agent_report_lag_seconds',
      help: 'Seconds since the last acknowledged report was sent; leases count from there.',
      labels: [],
    }),
    reports: metrics.counter({
      name: 'lumbung_agent_reports_total',
      help: 'Reports sent, with the inventory whole or as a hash.',
      labels: ['inventory'],
    }),
    reportAcks: metrics.counter({
      name: 'lumbung_agent_report_acks_total',
      help: 'Answers to reports, by what they meant.',
      labels: ['verdict'],
    }),
    sessionEnds: metrics.counter({
      name: 'lumbung_agent_session_ends_total',
      help: 'Sessions with the hub that ended, by reason.',
      labels: ['reason'],
    }),
    logSessions: metrics.counter({
      name: 'lumbung_agent_log_sessions_total',
      help: 'Requests for logs of workers, by result.',
      labels: ['result'],
    }),
  };
}

type StateMetrics = Pick<
  AgentMetrics,
  'runs' | 'offeredGpus' | 'gpus' | 'nodesNotLent' | 'ownerPodsBlocked' | 'certificateExpiry'
>;

function stateMetrics(metrics: MetricsRegistry): StateMetrics {
  return {
    runs: metrics.gauge({ name: 'lumbung_agent_runs', help: 'Runs known here, by phase.', labels: ['phase'] }),
    offeredGpus: metrics.gauge({
      name: 'lumbung_agent_offered_gpus',
      help: 'GPUs lent out right now on request.',
      labels: ['vendor', 'gpu_model'],
    }),
    gpus: metrics.gauge({
      name: 'lumbung_agent_gpus',
      help: 'Physical GPUs of this cluster by state; the states sum to all of them.',
      labels: ['vendor', 'gpu_model', 'state'],
    }),
    nodesNotLent: metrics.gauge({
      name: 'lumbung_agent_nodes_not_lent',
      help: 'Nodes with GPUs that are not lent, by reason.',
      labels: ['reason'],
    }),
    ownerPodsBlocked: metrics.gauge({
      name: 'lumbung_agent_owner_pods_blocked',
      help: 'Owner pods that wait and that ending guests would not help.',
      labels: [],
    }),
    certificateExpiry: metrics.gauge({
      name: 'lumbung_agent_certificate_expiry_timestamp_seconds',
      help: 'When the certificate of this member ends, as Unix time.',
      labels: [],
    }),
  };
}

type EventMetrics = Pick<
  AgentMetrics,
  'runsStarted' | 'runsEnded' | 'reclaims' | 'reclaimSeconds' | 'policyEnds' | 'fenceRejections' | 'certificateRenewals'
>;

function eventMetrics(metrics: MetricsRegistry): EventMetrics {
  return {
    runsStarted: metrics.counter({
      name: 'lumbung_agent_runs_started_total',
      help: 'Runs of which the start was persisted here.',
      labels: [],
    }),
    runsEnded: metrics.counter({
      name: 'lumbung_agent_runs_ended_total',
      help: 'Runs that ended here, by cause.',
      labels: ['cause'],
    }),
    reclaims: metrics.counter({
      name: 'lumbung_agent_reclaims_total',
      help: "Runs ended because the owner needed their GPUs, by who decided: the agent, or the member's own scheduler.",
      labels: ['by'],
    }),
    reclaimSeconds: metrics.histogram({
      name: 'lumbung_agent_reclaim_seconds',
      help: 'Seconds from when runs were first ended for an owner pod until that pod had a node.',
      labels: [],
      buckets: durationBucketsSeconds,
    }),
    policyEnds: metrics.counter({
      name: 'lumbung_agent_policy_ends_total',
      help: "Runs ended because the owner's limits were tightened, by limit.",
      labels: ['limit'],
    }),
    fenceRejections: metrics.counter({
      name: 'lumbung_agent_fence_rejections_total',
      help: 'Orders and desired states turned away by fences, terms or epochs.',
      labels: ['reason'],
    }),
    certificateRenewals: metrics.counter({
      name: 'lumbung_agent_certificate_renewals_total',
      help: 'Attempts to renew the certificate, by result.',
      labels: ['result'],
    }),
  };
}
