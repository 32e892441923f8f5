/** The workqueue_* families under the names that dashboards of controllers expect. Decides nothing else. */
import { durationBucketsSeconds, type MetricsRegistry } from '../metrics/registry.ts';

export interface QueueMetrics {
  added(): void;
  retried(): void;
  /** A key left the line after `seconds`. */
  taken(waitedSeconds: number): void;
  worked(seconds: number): void;
}

export interface QueueGauges {
  readonly depth: number;
  /** Seconds that each key now in work has been at it. */
  readonly runningSeconds: readonly number[];
}

const labels = ['name'] as const;

/** Metrics of the queue `name`; `gauges` is read at scrape time. */
export function queueMetrics(
  name: string,
  metrics: MetricsRegistry | undefined,
  gauges: () => QueueGauges,
): QueueMetrics {
  if (metrics === undefined) {
    const nothing = (): void => undefined;
    return { added: nothing, retried: nothing, taken: nothing, worked: nothing };
  }
  const id = { name };
  const seconds = { labels, buckets: durationBucketsSeconds };
  const adds = metrics.counter({ name: 'workqueue_adds_total', help: 'Keys added to a work queue.', labels });
  const retries = metrics.counter({
    name: 'workqueue_retries_total',
    help: 'Keys put back into a work queue after a failure.',
    labels,
  });
  const waits = metrics.histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'Seconds that a key was ready before work on it began.',
    ...seconds,
  });
  const works = metrics.histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'Seconds that work on one key took.',
    ...seconds,
  });
  fillGauges(name, metrics, gauges);
  return {
    added: () => {
      adds.inc(id);
    },
    retried: () => {
      retries.inc(id);
    },
    taken: (waitedSeconds) => {
      waits.observe(id, waitedSeconds);
    },
    worked: (tookSeconds) => {
      works.observe(id, tookSeconds);
    },
  };
}

function fillGauges(name: string, metrics: MetricsRegistry, gauges: () => QueueGauges): void {
  const id = { name };
  const depth = metrics.gauge({ name: 'workqueue_depth', help: 'Keys ready and waiting for a worker.', labels });
  const unfinished = metrics.gauge({
    name: 'workqueue_unfinished_work_seconds',
    help: 'Seconds of work in progress, summed over the keys in work; steady growth means a stuck worker.',
    labels,
  });
  const longest = metrics.gauge({
    name: 'workqueue_longest_running_processor_seconds',
    help: 'Seconds that the longest work in progress has taken so far.',
    labels,
  });
  metrics.onScrape(() => {
    const { depth: ready, runningSeconds } = gauges();
    depth.set(id, ready);
    unfinished.set(
      id,
      runningSeconds.reduce((sum, each) => sum + each, 0),
    );
    longest.set(id, Math.max(0, ...runningSeconds));
  });
}
