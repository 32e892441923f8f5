/**
 * The hub's whole word to a member. Orders that cannot be read are set apart one by one; cancels and acknowledgements are
 * always honoured, with an unknown cause kept in the sentence: a member that cannot read why must still stop.
 * Invariant: a Desired whose generation, cancels or acknowledgements are malformed is refused whole, since acting on half
 * of it could keep alive what the hub wants dead.
 */
import type { Desired } from '../core/model/desired.ts';
import * as ids from '../core/model/ids.ts';
import type { CancelOrder, RunOrder } from '../core/model/run.ts';
import type { FieldChecks } from './field-checks.ts';
import type * as proto from './generated/lumbung/federation/v1/federation.ts';
import { decodeRunOrder, encodeRunOrder } from './run-order-codec.ts';
import type { HubMessage, UnreadableOrder } from './session-messages.ts';
import * as limits from './wire-limits.ts';
import {
  decodeCause,
  decodeGeneration,
  decodeRunId,
  decodeUid,
  encodeGeneration,
  encodeRunId,
  sentence,
} from './wire-values.ts';

type DesiredMessage = Extract<HubMessage, { kind: 'desired' }>;

/** Templates repeat in every Desired of a member; their bytes are kept while the template object itself lives. */
const templateBytes = new WeakMap<object, Uint8Array>();

function encodedTemplate(template: unknown): Uint8Array | undefined {
  if (typeof template !== 'object' || template === null) return undefined;
  const known = templateBytes.get(template);
  if (known !== undefined) return known;
  const bytes = Buffer.from(JSON.stringify(template), 'utf8');
  templateBytes.set(template, bytes);
  return bytes;
}

export function encodeDesired(desired: Desired): proto.Desired {
  return {
    generation: encodeGeneration(desired.generation),
    runs: desired.runs.map((order) => encodeRunOrder(order, encodedTemplate(order.template))),
    cancels: desired.cancels.map(({ id, cause, message }) => ({
      id: encodeRunId(id),
      cause,
      message: sentence(message),
    })),
    outcomeAcks: desired.outcomeAcks.map(encodeRunId),
    goneJobUids: [...desired.goneJobUids],
    cordoned: desired.cordoned,
  };
}

function decodeCancel(checks: FieldChecks, path: string, raw: proto.CancelOrder): CancelOrder {
  const sentence = checks.text(`${path}.message`, raw.message, { max: limits.MESSAGE_MAX });
  return {
    id: decodeRunId(checks, `${path}.id`, raw.id),
    ...decodeCause(checks, `${path}.cause`, { cause: raw.cause, message: sentence, fallback: 'Unsupported' }),
  };
}

interface Orders {
  readonly runs: readonly RunOrder[];
  readonly unreadable: readonly UnreadableOrder[];
}

function decodeOrders(checks: FieldChecks, raw: readonly proto.RunOrder[]): Orders {
  const runs: RunOrder[] = [];
  const unreadable: UnreadableOrder[] = [];
  checks.list('runs', raw, limits.RUNS_MAX, (at, item) => {
    const decoded = decodeRunOrder(item);
    if (decoded.kind === 'order') runs.push(decoded.order);
    else if (decoded.kind === 'unreadable') unreadable.push(decoded.order);
    else for (const { path, message } of decoded.problems) checks.problem(`${at}.${path}`, message);
  });
  checks.distinct('runs', [...runs, ...unreadable], (order) => ids.runKey(order.id));
  return { runs, unreadable };
}

const NO_GENERATION = { incarnation: '', term: 0, counter: 0 };

export function decodeDesired(checks: FieldChecks, raw: proto.Desired): DesiredMessage {
  const { runs, unreadable } = decodeOrders(checks, raw.runs);
  const desired: Desired = {
    generation: checks.required(
      'generation',
      raw.generation,
      (at, value) => decodeGeneration(checks, at, value),
      NO_GENERATION,
    ),
    runs,
    cancels: checks.list('cancels', raw.cancels, limits.RUNS_MAX, (at, cancel) => decodeCancel(checks, at, cancel)),
    outcomeAcks: checks.list('outcomeAcks', raw.outcomeAcks, limits.RUNS_MAX, (at, id) => decodeRunId(checks, at, id)),
    goneJobUids: checks.list('goneJobUids', raw.goneJobUids, limits.GONE_JOBS_MAX, (at, uid) =>
      ids.jobUid(decodeUid(checks, at, uid)),
    ),
    cordoned: raw.cordoned,
  };
  return unreadable.length === 0 ? { kind: 'desired', desired } : { kind: 'desired', desired, unreadable };
}
