/**
 * Metric families with typed labels over one prom-client Registry that belongs to its maker (never the global one).
 *
 * Invariants: a name is registered once; asking again with the same definition gives the same family, with another one an
 * error. Every family is listed by `definitions()`, which documentation, dashboards and tests are checked against. Leaves
 * out serving the page (http.ts).
 */
import {
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
  collectDefaultMetrics,
} from 'prom-client';

export interface MetricDefinition<L extends string = string> {
  /** Prometheus name with its unit, e.g. `lumbung_reclaim_seconds`. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly L[];
}

export interface HistogramDefinition<L extends string = string> extends MetricDefinition<L> {
  /** Upper bounds, ascending; +Inf is added. */
  readonly buckets: readonly number[];
}

export type Labels<L extends string> = Readonly<Record<L, string>>;

export interface Counter<L extends string> {
  inc(labels: Labels<L>, by?: number): void;
  remove(labels: Labels<L>): void;
}

export interface Gauge<L extends string> {
  set(labels: Labels<L>, value: number): void;
  add(labels: Labels<L>, delta: number): void;
  remove(labels: Labels<L>): void;
  /** Drops every series, e.g. before refilling at scrape time. */
  reset(): void;
}

export interface Histogram<L extends string> {
  observe(labels: Labels<L>, value: number): void;
  remove(labels: Labels<L>): void;
}

export interface ListedDefinition extends MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
}

export interface MetricsRegistry {
  counter<L extends string>(definition: MetricDefinition<L>): Counter<L>;
  gauge<L extends string>(definition: MetricDefinition<L>): Gauge<L>;
  histogram<L extends string>(definition: HistogramDefinition<L>): Histogram<L>;
  /** Called before each exposition, e.g. to fill gauges from state. One that throws is reported by `expose`. */
  onScrape(fill: () => void): void;
  /** Adds process_* and nodejs_* families of this process. Call once, from the composition root. */
  addProcessMetrics(): void;
  /** Every family made here, sorted by name (process_* and nodejs_* apart). */
  definitions(): readonly ListedDefinition[];
  /** The page in Prometheus text format 0.0.4. */
  expose(): Promise<string>;
  readonly contentType: string;
}

/** Seconds from 1 ms to 10 min, for durations of calls, reconciles and placements. */
export const durationBucketsSeconds: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
];

interface Family {
  readonly listed: ListedDefinition;
  readonly buckets: string;
  readonly handle: unknown;
}

export function createMetrics(): MetricsRegistry {
  const registry = new Registry();
  const families = new Map<string, Family>();
  const fills: (() => void)[] = [];

  function once<T>(listed: ListedDefinition, buckets: string, make: () => T): T {
    const known = families.get(listed.name);
    if (known === undefined) {
      const handle = make();
      families.set(listed.name, { listed, buckets, handle });
      return handle;
    }
    if (!sameDefinition(known, listed, buckets)) {
      throw new Error(`metric ${listed.name}: already registered with another kind, help, labels or buckets`);
    }
    return known.handle as T;
  }

  return {
    counter: (definition) => once({ ...definition, kind: 'counter' }, '', () => makeCounter(registry, definition)),
    gauge: (definition) => once({ ...definition, kind: 'gauge' }, '', () => makeGauge(registry, definition)),
    histogram: (definition) =>
      once({ ...definition, kind: 'histogram' }, definition.buckets.join(), () => makeHistogram(registry, definition)),
    onScrape: (fill) => fills.push(fill),
    addProcessMetrics: () => {
      collectDefaultMetrics({ register: registry });
    },
    definitions: () =>
      [...families.values()]
        .map((family) => family.listed)
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    expose: async () => {
      for (const fill of fills) fill();
      return registry.metrics();
    },
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
  };
}

function sameDefinition(known: Family, listed: ListedDefinition, buckets: string): boolean {
  const labels = known.listed.labels.join() === listed.labels.join();
  return labels && known.listed.kind === listed.kind && known.listed.help === listed.help && known.buckets === buckets;
}

function configuration<L extends string>(
  registry: Registry,
  definition: MetricDefinition<L>,
): {
  name: string;
  help: string;
  labelNames: L[];
  registers: Registry[];
} {
  return { name: definition.name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
}

function makeCounter<L extends string>(registry: Registry, definition: MetricDefinition<L>): Counter<L> {
  const counter = new PromCounter<L>(configuration(registry, definition));
  return {
    inc: (labels, by = 1) => {
      counter.inc(labels, by);
    },
    remove: (labels) => {
      counter.remove(labels);
    },
  };
}

function makeGauge<L extends string>(registry: Registry, definition: MetricDefinition<L>): Gauge<L> {
  const gauge = new PromGauge<L>(configuration(registry, definition));
  return {
    set: (labels, value) => {
      gauge.set(labels, value);
    },
    add: (labels, delta) => {
      gauge.inc(labels, delta);
    },
    remove: (labels) => {
      gauge.remove(labels);
    },
    reset: () => {
      gauge.reset();
    },
  };
}

function makeHistogram<L extends string>(registry: Registry, definition: HistogramDefinition<L>): Histogram<L> {
  const histogram = new PromHistogram<L>({ ...configuration(registry, definition), buckets: [...definition.buckets] });
  return {
    observe: (labels, value) => {
      histogram.observe(labels, value);
    },
    remove: (labels) => {
      histogram.remove(labels);
    },
  };
}
