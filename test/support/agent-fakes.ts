/** Hand-driven stand-ins for the seams inside the agent: a keeper that records, an inventory that says what it is told. */
import type { InventoryReader, InventoryReport } from '../../src/agent/inventory/inventory-reader.ts';
import type { LiveGuest, RunKeeper } from '../../src/agent/runs/run-keeper.ts';
import type { Cause } from '../../src/core/model/cause.ts';
import { compareGenerations, type Desired } from '../../src/core/model/desired.ts';
import { runKey, type RunId } from '../../src/core/model/ids.ts';
import type { RunReport } from '../../src/core/model/run.ts';
import type { ClockReading } from '../../src/platform/clock/clock.ts';
import { err, ok } from '../../src/std/result.ts';
import { anOrder, type OrderShape } from './agent-builders.ts';

export interface FakeKeeper extends RunKeeper {
  readonly leases: ClockReading[];
  readonly desired: Desired[];
  readonly ended: { readonly runs: readonly RunId[]; readonly cause: Cause; readonly message: string }[];
  /** Changes what `reports` and `guests` give, and tells. */
  setRuns(runs: readonly RunReport[]): void;
  setGuests(guests: readonly LiveGuest[]): void;
  log: RunKeeper['openLog'];
  /** Run keys of which `holds` says that something is here. */
  readonly held: Set<string>;
}

export function fakeKeeper(): FakeKeeper {
  const handlers = new Set<() => void>();
  let runs: readonly RunReport[] = [];
  let guests: readonly LiveGuest[] = [];
  const tell = (): void => {
    for (const handler of handlers) handler();
  };
  const keeper: FakeKeeper = {
    name: 'fake-keeper',
    leases: [],
    desired: [],
    ended: [],
    held: new Set(),
    log: () => Promise.resolve(err({ reason: 'NotFound', message: 'no such run' })),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    applyDesired: (desired) => {
      const last = keeper.desired.at(-1);
      if (last === undefined || compareGenerations(desired.generation, last.generation) > 0)
        keeper.desired.push(desired);
    },
    leaseAcknowledged: (sentAt) => keeper.leases.push(sentAt),
    reports: () => runs,
    bookings: () => guests.map((guest) => guest.booking),
    guests: () => guests,
    end: (ids, cause, message) => {
      keeper.ended.push({ runs: ids, cause, message });
    },
    acknowledged: () => keeper.desired.at(-1)?.generation,
    holds: (run) => keeper.held.has(runKey(run)),
    openLog: (request, signal) => keeper.log(request, signal),
    subscribe: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    setRuns: (next) => {
      runs = next;
      tell();
    },
    setGuests: (next) => {
      guests = next;
      tell();
    },
  };
  return keeper;
}

export interface FakeInventory extends InventoryReader {
  setReport(report: Partial<InventoryReport>): void;
}

export function fakeInventory(): FakeInventory {
  const handlers = new Set<() => void>();
  let current: InventoryReport = {
    policy: { state: 'Lending', message: '', dataJurisdictions: [], requireDigest: false, logsAllowed: true },
    window: { edges: [] },
    offers: [],
    gpus: [],
  };
  return {
    synced: true,
    report: () => current,
    refit: () => ok([]),
    unreachableNodes: () => new Set<string>(),
    subscribe: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    setReport: (report) => {
      current = { ...current, ...report };
      for (const handler of handlers) handler();
    },
  };
}

export function aRunReport(shape: OrderShape = {}, report: Partial<RunReport> = {}): RunReport {
  const { id, job, tenant, pool, attempt, templateHash, gpuModel, gpusPerWorker, nodes } = anOrder(shape);
  return {
    id,
    job,
    tenant,
    pool,
    attempt,
    templateHash,
    gpuModel,
    gpusPerWorker,
    nodes,
    phase: 'Running',
    workers: { pending: 0, running: shape.workers ?? 1, succeeded: 0, failed: 0 },
    gpuSeconds: 0,
    deadlineArmed: true,
    message: '',
    ...report,
  };
}
