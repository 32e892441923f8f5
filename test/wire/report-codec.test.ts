import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MemberReport } from '../../src/core/model/member.ts';
import { decodeAgentMessage, encodeAgentMessage } from '../../src/wire/agent-message-codec.ts';
import { ConnectRequest, type Report } from '../../src/wire/generated/lumbung/federation/v1/federation.ts';
import { inventoryHash, OMITTED_INVENTORY } from '../../src/wire/inventory-codec.ts';
import { encodeReport, withInventory } from '../../src/wire/report-codec.ts';
import { memberReport } from '../support/wire-arbitraries.ts';

function sample(): MemberReport {
  return fc.sample(
    memberReport.filter((report) => report.offers.length > 0 && report.gpus.length > 0 && report.runs.length > 0),
    { numRuns: 1, seed: 7 },
  )[0]!;
}

/** Sends a report after somebody changed it on the wire. */
function tampered(change: (raw: Report) => void) {
  const raw = encodeReport({ kind: 'report', report: sample(), inventoryHash: '', inventoryOmitted: false });
  change(raw);
  return decodeAgentMessage(ConnectRequest.encode({ message: { $case: 'report', value: raw } }).finish());
}

function problemsOf(decoded: ReturnType<typeof decodeAgentMessage>): readonly string[] {
  return decoded.ok ? [] : decoded.error.map(({ path }) => path);
}

describe('a report', () => {
  it('leaves its inventory out on request, and takes it back by hash', () => {
    fc.assert(
      fc.property(memberReport, (report) => {
        const hash = inventoryHash(report);
        const decoded = decodeAgentMessage(
          encodeAgentMessage({ kind: 'report', report, inventoryHash: hash, inventoryOmitted: true }),
        );
        expect(decoded).toEqual({
          ok: true,
          value: {
            kind: 'report',
            report: withInventory(report, OMITTED_INVENTORY),
            inventoryHash: hash,
            inventoryOmitted: true,
          },
        });
        expect(decoded.ok && decoded.value.kind === 'report' && withInventory(decoded.value.report, report)).toEqual(
          report,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('without its inventory is much smaller', () => {
    const report = sample();
    const size = (inventoryOmitted: boolean) =>
      encodeAgentMessage({
        kind: 'report',
        report: { ...report, runs: [] },
        inventoryHash: inventoryHash(report),
        inventoryOmitted,
      }).length;
    expect(size(true)).toBeLessThan(size(false));
  });

  it('that lists more resources as used than a node has still goes out, with nothing free', () => {
    const report = sample();
    const over = { ...report, offers: report.offers.map((offer) => ({ ...offer, free: { 'nvidia.com/gpu': -2 } })) };
    const decoded = decodeAgentMessage(
      encodeAgentMessage({ kind: 'report', report: over, inventoryHash: '', inventoryOmitted: false }),
    );
    expect(decoded.ok && decoded.value.kind === 'report' && decoded.value.report.offers[0]?.free).toEqual({
      'nvidia.com/gpu': 0,
    });
  });

  it('with a sentence that is too long has it cut, not refused', () => {
    const report = { ...sample(), runs: sample().runs.map((run) => ({ ...run, message: 'x'.repeat(100_000) })) };
    const decoded = decodeAgentMessage(
      encodeAgentMessage({ kind: 'report', report, inventoryHash: '', inventoryOmitted: false }),
    );
    expect(decoded.ok && decoded.value.kind === 'report' && decoded.value.report.runs[0]?.message.length).toBe(8192);
  });

  it.each<[string, (raw: Report) => void, string]>([
    ['states that do not sum', (raw) => void (raw.gpus[0]!.owner += 1), 'gpus[0]'],
    ['an offer beyond what is idle', (raw) => void (raw.gpus[0]!.offered = raw.gpus[0]!.idle + 1), 'gpus[0].offered'],
    ['a node listed twice', (raw) => void raw.offers.push(raw.offers[0]!), 'offers'],
    ['a run listed twice', (raw) => void raw.runs.push(raw.runs[0]!), 'runs'],
    ['a run without an id', (raw) => void (raw.runs[0]!.id = undefined), 'runs[0].id'],
    ['a run under fence 0', (raw) => void (raw.runs[0]!.id!.fence = 0n), 'runs[0].id.fence'],
    ['a fence beyond 2^53', (raw) => void (raw.runs[0]!.id!.fence = 2n ** 53n), 'runs[0].id.fence'],
    ['too many workers', (raw) => void (raw.runs[0]!.workers!.running = 5000), 'runs[0].workers.running'],
    ['a node that is no name', (raw) => void (raw.offers[0]!.node = '../etc'), 'offers[0].node'],
    ['a hash of 5 bytes', (raw) => void (raw.inventoryHash = new Uint8Array(5)), 'inventoryHash'],
    ['no policy', (raw) => void (raw.policy = undefined), 'policy'],
    [
      'more edges than anybody needs',
      (raw) => void (raw.window!.edges = Array.from({ length: 2001 }, () => ({ atMs: 0n, opens: true, gpus: 0 }))),
      'window.edges',
    ],
    ['a sequence beyond 2^53', (raw) => void (raw.sequence = 2n ** 63n), 'sequence'],
    [
      'an end before the phase Ended',
      (raw) =>
        void Object.assign(raw.runs[0]!, {
          phase: 3,
          end: { outcome: 1, cause: 'Completed', message: '', everStarted: true, exits: [], endedAtMs: 0n },
        }),
      'runs[0].end',
    ],
    [
      'the phase Ended without an end',
      (raw) => void Object.assign(raw.runs[0]!, { phase: 6, end: undefined }),
      'runs[0].end',
    ],
  ])('with %s is refused, naming it', (_name, change, path) => {
    expect(problemsOf(tampered(change)).some((found) => found.startsWith(path))).toBe(true);
  });

  it('names at most 20 problems', () => {
    const decoded = tampered((raw) => {
      raw.runs = Array.from({ length: 100 }, () => ({ ...raw.runs[0]!, id: undefined }));
    });
    expect(problemsOf(decoded).length).toBe(20);
  });
});

describe('values that this hub does not know', () => {
  const onlyRun = (decoded: ReturnType<typeof decodeAgentMessage>) =>
    decoded.ok && decoded.value.kind === 'report' ? decoded.value.report.runs[0] : undefined;

  it('turn a phase into Unknown, so that no fence is released', () => {
    const run = onlyRun(
      tampered((raw) => void Object.assign(raw.runs[0]!, { phase: 42, end: undefined, message: 'm' })),
    );
    expect(run).toMatchObject({ phase: 'Unknown', message: 'phase 42 is not known to this hub: m' });
    expect(run).not.toHaveProperty('end');
  });

  it('turn an outcome into Unknown, so that no fence is released', () => {
    const end = { outcome: 42 as never, cause: 'Completed', message: '', everStarted: true, exits: [], endedAtMs: 0n };
    const run = onlyRun(tampered((raw) => void Object.assign(raw.runs[0]!, { phase: 6, end, message: 'm' })));
    expect(run).toMatchObject({ phase: 'Unknown', message: 'outcome 42 is not known to this hub: m' });
    expect(run).not.toHaveProperty('end');
  });

  it.each([
    [1, 'Completed'],
    [2, 'Unsupported'],
  ])('keep a cause in the sentence (outcome %i)', (outcome, cause) => {
    const end = {
      outcome: outcome as never,
      cause: 'SolarFlare',
      message: 'm',
      everStarted: true,
      exits: [],
      endedAtMs: 0n,
    };
    const run = onlyRun(tampered((raw) => void Object.assign(raw.runs[0]!, { phase: 6, end })));
    expect(run?.end).toMatchObject({ cause, message: 'SolarFlare (a cause that this version does not know): m' });
  });

  it('turn a policy state into Invalid, so that nothing new is lent and the member stays', () => {
    const decoded = tampered((raw) => void (raw.policy!.state = 42 as never));
    expect(decoded.ok && decoded.value.kind === 'report' && decoded.value.report.policy.state).toBe('Invalid');
  });

  it('turn a taint effect into NoSchedule', () => {
    const decoded = tampered((raw) => void (raw.offers[0]!.taints = [{ key: 'k', value: 'v', effect: 'NoBreathing' }]));
    expect(decoded.ok && decoded.value.kind === 'report' && decoded.value.report.offers[0]?.taints).toEqual([
      { key: 'k', value: 'v', effect: 'NoSchedule' },
    ]);
  });
});

describe('inventoryHash', () => {
  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(memberReport, (report) => {
        const reversed = {
          ...report,
          offers: report.offers.map((offer) => ({
            ...offer,
            labels: Object.fromEntries(Object.entries(offer.labels).reverse()),
            free: Object.fromEntries(Object.entries(offer.free).reverse()),
          })),
        };
        expect(inventoryHash(reversed)).toBe(inventoryHash(report));
      }),
      { numRuns: 40 },
    );
  });

  it('changes with any number in an offer, and not with the runs', () => {
    const report = sample();
    const changed = {
      ...report,
      offers: report.offers.map((offer, index) => (index === 0 ? { ...offer, totalGpus: offer.totalGpus + 1 } : offer)),
    };
    expect(inventoryHash(changed)).not.toBe(inventoryHash(report));
    expect(inventoryHash({ ...report, runs: [], sequence: 0 } as MemberReport)).toBe(inventoryHash(report));
  });
});
