/**
 * Metric families of the hub that count or time what happens. What merely *is* (GPUs by state, jobs by phase) is filled at
 * scrape time from state (state-metrics.ts).
 */
import {
  durationBucketsSeconds,
  type Counter,
  type Histogram,
  type MetricsRegistry,
} from '../../platform/metrics/registry.ts';
import type { StateObserver } from '../state/state-observer.ts';

export interface HubMetrics extends StateObserver {
  readonly jobsCompleted: Counter<'result'>;
  readonly queueWait: Histogram<'pool'>;
  readonly runTime: Histogram<'pool'>;
  readonly placementTime: Histogram<never>;
  readonly placementAttempts: Counter<'result' | 'reason'>;
  readonly dispatches: Counter<'member_cluster'>;
  readonly reclaims: Counter<'member_cluster'>;
  readonly runsEnded: Counter<'cause'>;
  readonly fenceRejections: Counter<'reason'>;
  readonly cycles: Histogram<never>;
}

/** Waiting and running times, in seconds, up to a week. */
const LONG_BUCKETS_SECONDS = [
  0.1,
  0.5,
  1,
  5,
  15,
  60,
  300,
  900,
  3600,
  4 * 3600,
  12 * 3600,
  86_400,
  3 * 86_400,
  7 * 86_400,
];

export function createHubMetrics(metrics: MetricsRegistry): HubMetrics {
  const fenceRejections = metrics.counter({
    name: 'lumbung_fence_rejections_total',
    help: 'Reports of runs that could not move their job, by reason.',
    labels: ['reason'],
  });
  return {
    ...timings(metrics),
    jobsCompleted: metrics.counter({
      name: 'lumbung_jobs_completed_total',
      help: 'Jobs that are over, by result: Succeeded or the cause of the failure.',
      labels: ['result'],
    }),
    placementAttempts: metrics.counter({
      name: 'lumbung_placement_attempts_total',
      help: 'Decisions of the scheduler about waiting jobs, by result and, for those refused, by reason.',
      labels: ['result', 'reason'],
    }),
    dispatches: metrics.counter({
      name: 'lumbung_dispatches_total',
      help: 'Runs whose fence was written for a member.',
      labels: ['member_cluster'],
    }),
    reclaims: metrics.counter({
      name: 'lumbung_reclaims_total',
      help: 'Runs that ended because the owner took the GPUs back.',
      labels: ['member_cluster'],
    }),
    runsEnded: metrics.counter({
      name: 'lumbung_runs_ended_total',
      help: 'Runs that ended, by cause.',
      labels: ['cause'],
    }),
    fenceRejections,
    fenceRejected: (reason) => {
      fenceRejections.inc({ reason });
    },
  };
}

function timings(metrics: MetricsRegistry): Pick<HubMetrics, 'queueWait' | 'runTime' | 'placementTime' | 'cycles'> {
  return {
    queueWait: metrics.histogram({
      name: 'lumbung_job_queue_wait_seconds',
      help: 'Time from when a job began to wait until its placement was written.',
      labels: ['pool'],
      buckets: LONG_BUCKETS_SECONDS,
    }),
    runTime: metrics.histogram({
      name: 'lumbung_job_run_seconds',
      help: 'Time from when all workers ran until the run ended.',
      labels: ['pool'],
      buckets: LONG_BUCKETS_SECONDS,
    }),
    placementTime: metrics.histogram({
      name: 'lumbung_placement_seconds',
      help: 'Time from the decision to place a job until its fence was written.',
      labels: [],
      buckets: durationBucketsSeconds,
    }),
    cycles: metrics.histogram({
      name: 'lumbung_scheduling_cycle_seconds',
      help: 'Time that one cycle of the scheduler took, snapshot included.',
      labels: [],
      buckets: durationBucketsSeconds,
    }),
  };
}
