import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCalendar, isTimeZone, mergeStretches, type DailyWindow } from '../../../src/agent/lending/calendar.ts';

const at = (text: string): number => Date.parse(text);
const nights: DailyWindow = { start: '22:00', end: '06:00', timeZone: 'Asia/Jakarta' };

describe('the calendar', () => {
  it.each([
    ['inside a night window', [nights], '2026-11-23T16:00:00Z', true, '2026-11-23T23:00:00Z'],
    ['after midnight of a night window', [nights], '2026-11-23T22:59:59Z', true, '2026-11-23T23:00:00Z'],
    ['at the very end', [nights], '2026-11-23T23:00:00Z', false, undefined],
    ['at the very start', [nights], '2026-11-23T15:00:00Z', true, '2026-11-23T23:00:00Z'],
    ['by day', [nights], '2026-11-23T05:00:00Z', false, undefined],
    [
      'on a whole day',
      [{ days: ['Sat'], start: '00:00', end: '24:00', timeZone: 'UTC' }],
      '2026-11-28T10:00:00Z',
      true,
      '2026-11-29T00:00:00Z',
    ],
    [
      'every whole day, without an end',
      [{ start: '00:00', end: '24:00', timeZone: 'UTC' }],
      '2026-11-28T10:00:00Z',
      true,
      undefined,
    ],
    [
      'over a weekend that is made of two days',
      [{ days: ['Sat', 'Sun'], start: '00:00', end: '24:00', timeZone: 'UTC' }],
      '2026-11-28T10:00:00Z',
      true,
      '2026-11-30T00:00:00Z',
    ],
    [
      'in the tail of a window that opened on the listed day',
      [{ days: ['Fri'], start: '20:00', end: '04:00', timeZone: 'UTC' }],
      '2026-11-28T03:00:00Z',
      true,
      '2026-11-28T04:00:00Z',
    ],
    [
      'on a day that is not listed',
      [{ days: ['Fri'], start: '20:00', end: '04:00', timeZone: 'UTC' }],
      '2026-11-28T21:00:00Z',
      false,
      undefined,
    ],
    [
      'in the shortened night of spring',
      [{ start: '00:00', end: '04:00', timeZone: 'Europe/Berlin' }],
      '2026-03-29T01:30:00Z',
      true,
      '2026-03-29T02:00:00Z',
    ],
    [
      'in the prolonged night of autumn',
      [{ start: '00:00', end: '04:00', timeZone: 'Europe/Berlin' }],
      '2026-10-25T02:30:00Z',
      true,
      '2026-10-25T03:00:00Z',
    ],
    [
      'in a skipped hour, moved forward',
      [{ start: '02:10', end: '02:50', timeZone: 'Europe/Berlin' }],
      '2026-03-29T01:30:00Z',
      true,
      '2026-03-29T01:50:00Z',
    ],
    [
      'in a skipped window that shrinks to nothing',
      [{ start: '02:30', end: '03:30', timeZone: 'Europe/Berlin' }],
      '2026-03-29T01:30:00Z',
      false,
      undefined,
    ],
  ] as const)('knows where it is %s', (...[, windows, now, open, until]) => {
    const view = createCalendar(windows).at(at(now));
    expect(view.open).toBe(open);
    expect(view.availableUntilMs).toBe(until === undefined ? undefined : at(until));
  });

  it('lists the edges of 48 hours, opening and closing in turn', () => {
    const view = createCalendar([nights]).at(at('2026-11-23T05:00:00Z'));
    expect(view.edges).toEqual([
      { atMs: at('2026-11-23T15:00:00Z'), kind: 'opens' },
      { atMs: at('2026-11-23T23:00:00Z'), kind: 'closes' },
      { atMs: at('2026-11-24T15:00:00Z'), kind: 'opens' },
      { atMs: at('2026-11-24T23:00:00Z'), kind: 'closes' },
    ]);
    expect(view.validUntilMs).toBe(at('2026-11-23T15:00:00Z'));
  });

  it('joins windows that overlap or touch, also across time zones', () => {
    const view = createCalendar([
      { start: '20:00', end: '23:00', timeZone: 'UTC' },
      { start: '06:00', end: '10:00', timeZone: 'Asia/Jakarta' },
      { start: '21:00', end: '22:00', timeZone: 'UTC' },
    ]).at(at('2026-11-23T20:30:00Z'));
    expect(view.availableUntilMs).toBe(at('2026-11-24T03:00:00Z'));
  });

  it('gives the same answer whatever was asked before', () => {
    const window = fc.record({
      days: fc.subarray(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'], { minLength: 1 }),
      start: fc.constantFrom('00:00', '01:30', '02:30', '09:15', '22:00'),
      end: fc.constantFrom('03:30', '06:00', '12:00', '24:00'),
      timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Jakarta', 'Australia/Lord_Howe'),
    });
    const start = at('2026-03-20T00:00:00Z');
    fc.assert(
      fc.property(
        fc.array(window, { minLength: 1, maxLength: 2 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 2, maxLength: 4 }),
        (windows, hours) => {
          const reused = createCalendar(windows);
          for (const hour of hours) {
            const now = start + hour * 3_600_000;
            const view = reused.at(now);
            expect(view).toEqual(createCalendar(windows).at(now));
            const kinds = view.edges.map((edge) => edge.kind);
            kinds.forEach((kind, i) => {
              expect(kind).toBe((i % 2 === 0) === view.open ? 'closes' : 'opens');
            });
            // What the first edge announces is what holds right after it.
            const edge = view.edges[0];
            if (edge !== undefined) expect(reused.at(edge.atMs).open).toBe(edge.kind === 'opens');
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('merges into disjoint ascending stretches that cover the same minutes', () => {
    const stretch = fc
      .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 20 }))
      .map(([from, length]) => ({ opensAtMs: from, closesAtMs: from + length }));
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 8 }), (stretches) => {
        const merged = mergeStretches(stretches);
        for (let minute = 0; minute <= 81; minute += 1) {
          const covered = (list: readonly { opensAtMs: number; closesAtMs: number }[]): boolean =>
            list.some((one) => one.opensAtMs <= minute && minute < one.closesAtMs);
          expect(covered(merged)).toBe(covered(stretches));
        }
        merged.slice(1).forEach((one, i) => {
          expect(one.opensAtMs).toBeGreaterThan(merged[i]!.closesAtMs);
        });
      }),
    );
  });

  it.each([
    ['Asia/Jakarta', true],
    ['UTC', true],
    ['Mars/Olympus', false],
    ['', false],
  ])('says whether %j is a time zone', (name, known) => {
    expect(isTimeZone(name)).toBe(known);
  });
});
