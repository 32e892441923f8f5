import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Desired } from '../../src/core/model/desired.ts';
import { encodeDesired } from '../../src/wire/desired-codec.ts';
import {
  ConnectResponse,
  type Desired as ProtoDesired,
  type RunOrder as ProtoOrder,
} from '../../src/wire/generated/lumbung/federation/v1/federation.ts';
import type { WireResult } from '../../src/wire/field-checks.ts';
import type { HubMessage } from '../../src/wire/session-messages.ts';
import { decodeHubMessage } from '../../src/wire/hub-message-codec.ts';
import { desired, runOrder } from '../support/wire-arbitraries.ts';

const orders = fc.sample(
  runOrder.filter((order) => order.attachments.length > 0),
  { numRuns: 2, seed: 11 },
);
const whole: Desired = {
  ...fc.sample(
    desired.filter(({ cancels, outcomeAcks }) => cancels.length > 0 && outcomeAcks.length > 0),
    { numRuns: 1, seed: 3 },
  )[0]!,
  runs: orders,
};

type DesiredMessage = Extract<HubMessage, { kind: 'desired' }>;

function receive(change: (raw: ProtoDesired) => void): WireResult<DesiredMessage> {
  const raw = encodeDesired(whole);
  change(raw);
  const decoded = decodeHubMessage(ConnectResponse.encode({ message: { $case: 'desired', value: raw } }).finish());
  if (!decoded.ok) return decoded;
  if (decoded.value.kind !== 'desired') throw new Error(`not a Desired: ${decoded.value.kind}`);
  return { ok: true, value: decoded.value };
}

const json = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value), 'utf8');

describe('one order that cannot be read', () => {
  it.each<[string, (order: ProtoOrder) => void, string]>([
    ['an onPartition of a newer hub', (order) => void (order.onPartition = 9 as never), 'onPartition'],
    ['no onPartition', (order) => void (order.onPartition = 0), 'onPartition'],
    ['a rendezvous of a newer hub', (order) => void (order.rendezvous = 9 as never), 'rendezvous'],
    ['an attachment of a newer kind', (order) => void (order.attachments[0]!.kind = 9 as never), 'attachments[0].kind'],
    ['a template that is no JSON', (order) => void (order.templateJson = json('{"a":')), 'templateJson'],
    [
      'a template that is no UTF-8',
      (order) => void (order.templateJson = new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])),
      'templateJson',
    ],
    ['a template that is a list', (order) => void (order.templateJson = json([])), 'templateJson'],
    ['no template', (order) => void (order.templateJson = new Uint8Array(0)), 'templateJson'],
    [
      'a template above 1 MiB',
      (order) => void (order.templateJson = json({ a: 'x'.repeat(1_048_577) })),
      'templateJson',
    ],
    [
      'a template that is nested too deep',
      (order) => void (order.templateJson = json(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)),
      'templateJson',
    ],
    [
      'a template with a __proto__ key',
      (order) => void (order.templateJson = json('{"spec":{"__proto__":{"x":1}}}')),
      'templateJson',
    ],
    ['0 workers', (order) => void (order.workers = 0), 'workers'],
    ['nodes that do not sum to the gang', (order) => void (order.workers += 1), 'nodes'],
    ['no lease', (order) => void (order.lease = undefined), 'lease'],
    ['a lease below its bound', (order) => void (order.lease!.replaceAfterMs = 1n), 'lease.replaceAfterMs'],
    ['a run time of 8 days', (order) => void (order.maxRuntimeMs = 691_200_000n), 'maxRuntimeMs'],
    ['a priority of 1001', (order) => void (order.priority = 1001), 'priority'],
    ['a member that is no name', (order) => void (order.member = 'A/B'), 'member'],
  ])('(%s) is set apart, and the rest of the Desired holds', (_name, change, path) => {
    const decoded = receive((raw) => {
      change(raw.runs[0]!);
    });
    expect(decoded.ok).toBe(true);
    if (!decoded.ok) return;
    const { desired: taken, unreadable } = decoded.value;
    expect(taken).toEqual({ ...whole, runs: [orders[1]] });
    expect(unreadable).toHaveLength(1);
    expect(unreadable?.[0]?.id).toEqual(orders[0]!.id);
    expect(unreadable?.[0]?.problems.map((problem) => problem.path)).toContain(path);
  });

  it('never shows the template in its problems', () => {
    const decoded = receive((raw) => void (raw.runs[0]!.templateJson = json('{"password":"hunter2", oops')));
    expect(JSON.stringify(decoded)).not.toContain('hunter2');
  });
});

describe('a Desired', () => {
  it.each<[string, (raw: ProtoDesired) => void, string]>([
    ['without a generation', (raw) => void (raw.generation = undefined), 'generation'],
    ['with a term beyond 2^53', (raw) => void (raw.generation!.term = 2n ** 60n), 'generation.term'],
    ['with a cancel that names no run', (raw) => void (raw.cancels[0]!.id = undefined), 'cancels[0].id'],
    ['with an acknowledgement of fence 0', (raw) => void (raw.outcomeAcks[0]!.fence = 0n), 'outcomeAcks[0].fence'],
    ['with an order that names no run', (raw) => void (raw.runs[0]!.id = undefined), 'runs[0].id'],
    ['with one run twice', (raw) => void (raw.runs[1] = raw.runs[0]!), 'runs[1]'],
    ['with a gone job that is no UID', (raw) => void (raw.goneJobUids = ['a b']), 'goneJobUids[0]'],
  ])('%s is refused whole', (_name, change, path) => {
    const decoded = receive(change);
    expect(decoded.ok ? [] : decoded.error.map((problem) => problem.path)).toContain(path);
  });

  it('honours a cancel for a cause that this agent does not know', () => {
    const decoded = receive((raw) => {
      raw.cancels = [{ ...raw.cancels[0]!, cause: 'SolarFlare', message: 'm' }];
    });
    expect(decoded.ok && decoded.value.desired.cancels).toEqual([
      {
        id: whole.cancels[0]!.id,
        cause: 'Unsupported',
        message: 'SolarFlare (a cause that this version does not know): m',
      },
    ]);
  });

  it('encodes the same template once and sends it each time', () => {
    const first = encodeDesired(whole).runs[0]!.templateJson;
    expect(encodeDesired({ ...whole }).runs[0]!.templateJson).toBe(first);
  });
});
