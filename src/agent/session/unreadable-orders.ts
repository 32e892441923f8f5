/**
 * Orders that this version of the agent cannot read: each is reported as refused with the cause Unsupported, so that the hub
 * places the job elsewhere and the member goes on with everything else. Never contains the template.
 */
import { runKey } from '../../core/model/ids.ts';
import type { RunReport } from '../../core/model/run.ts';
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { UnreadableOrder } from '../../wire/session-messages.ts';
import { describeProblems } from '../../wire/field-checks.ts';

const LONGEST_MESSAGE = 1024;

/** What the report says of an order that cannot be read. */
export function refusalOf(order: UnreadableOrder, nowMs: number): RunReport {
  const { problems, ...identity } = order;
  const message = `this agent cannot read the order: ${describeProblems(problems)}`.slice(0, LONGEST_MESSAGE);
  return {
    ...identity,
    phase: 'Ended',
    workers: { pending: 0, running: 0, succeeded: 0, failed: 0 },
    nodes: [],
    gpuSeconds: 0,
    deadlineArmed: false,
    end: { outcome: 'Refused', cause: 'Unsupported', message, everStarted: false, exits: [], endedAtMs: nowMs },
    message,
  };
}

/** The keeper's runs with the refusals put in, sorted by run key. A run that the keeper knows is the keeper's to report. */
export function withRefusals(known: readonly RunReport[], refusals: readonly RunReport[]): readonly RunReport[] {
  if (refusals.length === 0) return known;
  const keys = new Set(known.map((report) => runKey(report.id)));
  const added = refusals.filter((report) => !keys.has(runKey(report.id)));
  return added.length === 0
    ? known
    : sorted([...known, ...added], (a, b) => compareStrings(runKey(a.id), runKey(b.id)));
}
