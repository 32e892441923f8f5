/**
 * Counts every HTTP request to a cluster, for `rest_client_*` metrics and for whoever must know how many calls were made.
 * Retries count one by one. Labels keep the names that dashboards of controllers expect.
 */
import { durationBucketsSeconds, type MetricsRegistry } from '../metrics/registry.ts';
import type { CallVerb } from './http-call.ts';

/** One HTTP request as sent. */
export interface KubeRequestRecord {
  readonly verb: CallVerb;
  readonly group: string;
  /** Plural; for raw calls the path. */
  readonly resource: string;
  readonly subresource: string;
  /** HTTP status, 0 when no answer arrived. */
  readonly status: number;
  /** Until the answer began. */
  readonly durationMs: number;
}

const methods: Readonly<Record<CallVerb, string>> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  raw: 'RAW',
};

/** A function that accounts one request to the metrics and to `onRequest`. */
export function requestRecorder(options: {
  readonly metrics?: MetricsRegistry;
  readonly host?: string;
  readonly onRequest?: (record: KubeRequestRecord) => void;
}): (record: KubeRequestRecord) => void {
  const { metrics, onRequest, host = '' } = options;
  const requests = metrics?.counter({
    name: 'rest_client_requests_total',
    help: 'Number of HTTP requests to Kubernetes API servers, by status code (<error> when none arrived), method and host.',
    labels: ['code', 'method', 'host'],
  });
  const durations = metrics?.histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'Time until a Kubernetes API server began to answer, in seconds, by verb and host; watches left out.',
    labels: ['verb', 'host'],
    buckets: durationBucketsSeconds,
  });
  return (record) => {
    const code = record.status === 0 ? '<error>' : String(record.status);
    requests?.inc({ code, method: methods[record.verb], host });
    if (record.verb !== 'watch') durations?.observe({ verb: record.verb, host }, record.durationMs / 1000);
    onRequest?.(record);
  };
}
