/** Metric families of the federation link. */
import type { Counter, Gauge, MetricsRegistry } from '../../platform/metrics/registry.ts';

export interface FederationMetrics {
  readonly sessions: Gauge<never>;
  readonly refusals: Counter<'reason'>;
  readonly enrolments: Counter<'result'>;
  readonly reports: Counter<'verdict'>;
  readonly desiredSent: Counter<never>;
  readonly logSessions: Counter<'result'>;
}

export function createFederationMetrics(metrics: MetricsRegistry): FederationMetrics {
  return {
    sessions: metrics.gauge({ name: 'lumbung_federation_sessions', help: 'Open agent sessions.', labels: [] }),
    refusals: metrics.counter({
      name: 'lumbung_federation_refusals_total',
      help: 'Streams, reports and requests of agents that were refused, by reason.',
      labels: ['reason'],
    }),
    enrolments: metrics.counter({
      name: 'lumbung_enrolments_total',
      help: 'Requests to join or to renew a certificate, by result.',
      labels: ['result'],
    }),
    reports: metrics.counter({
      name: 'lumbung_federation_reports_total',
      help: 'Reports of agents, by what became of them.',
      labels: ['verdict'],
    }),
    desiredSent: metrics.counter({
      name: 'lumbung_federation_desired_sent_total',
      help: 'Whole desired states sent to agents.',
      labels: [],
    }),
    logSessions: metrics.counter({
      name: 'lumbung_log_sessions_total',
      help: 'Log sessions through members, by result.',
      labels: ['result'],
    }),
  };
}
