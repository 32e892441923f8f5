import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MemberHealth } from '../../../src/core/membership/health.ts';
import type { GuardState } from '../../../src/core/membership/mass-expiry-guard.ts';
import { guardAtLeaderStart, guardDetail, stepGuard } from '../../../src/core/membership/mass-expiry-guard.ts';
import { memberName } from '../../../src/core/model/ids.ts';

const terms = { windowMs: 60_000, outageMs: 600_000 };
const letters = { C: 'Connected', S: 'Silent', N: 'NeverReported' } as const satisfies Record<string, MemberHealth>;

/** Members a, b, c, ... with the given healths. */
function see(healths: string) {
  return {
    members: Array.from(healths).map((letter, i) => ({
      member: memberName(`member-${String.fromCharCode(97 + i)}`),
      health: letters[letter as keyof typeof letters],
    })),
  };
}

/** Plays `[atMs, healths]` one after the other from a quiet state. */
function play(history: readonly (readonly [number, string])[], from: GuardState = { silent: [] }): GuardState {
  return history.reduce((state, [nowMs, healths]) => stepGuard(state, see(healths), terms, nowMs), from);
}

describe('mass silence', () => {
  it.each([
    {
      why: 'one of one falls silent',
      history: [
        [0, 'C'],
        [1, 'S'],
      ],
      want: undefined,
    },
    {
      why: 'both of two fall silent',
      history: [
        [0, 'CC'],
        [1, 'SS'],
      ],
      want: 'MassSilence',
    },
    {
      why: 'one of two falls silent',
      history: [
        [0, 'CC'],
        [1, 'SC'],
      ],
      want: undefined,
    },
    {
      why: 'two of four, which is not more than half',
      history: [
        [0, 'CCCC'],
        [1, 'SSCC'],
      ],
      want: undefined,
    },
    {
      why: 'three of four',
      history: [
        [0, 'CCCC'],
        [1, 'SSSC'],
      ],
      want: 'MassSilence',
    },
    {
      why: 'three of five',
      history: [
        [0, 'CCCCC'],
        [1, 'SSSCC'],
      ],
      want: 'MassSilence',
    },
    {
      why: 'three of six',
      history: [
        [0, 'CCCCCC'],
        [1, 'SSSCCC'],
      ],
      want: undefined,
    },
    {
      why: 'one after the other within the window',
      history: [
        [0, 'CCC'],
        [1, 'SCC'],
        [50_000, 'SSC'],
      ],
      want: 'MassSilence',
    },
    {
      why: 'one after the other, too far apart',
      history: [
        [0, 'CCC'],
        [1, 'SCC'],
        [70_000, 'SSC'],
      ],
      want: undefined,
    },
    {
      why: 'members that never reported do not count',
      history: [
        [0, 'NN'],
        [1, 'NN'],
      ],
      want: undefined,
    },
  ] as const)('is $want when $why', ({ history, want }) => {
    expect(play(history).active?.cause).toBe(want);
  });

  it('lasts, however long, until no more than half are still missing', () => {
    const active = play([
      [0, 'CCCC'],
      [1, 'SSSC'],
      [9_000_000, 'SSSC'],
    ]);
    expect(active.active).toMatchObject({
      cause: 'MassSilence',
      sinceMs: 1,
      awaiting: ['member-a', 'member-b', 'member-c'],
    });
    expect(play([[9_000_001, 'CSSC']], active).active).toBeUndefined();
  });

  it('ends when the missing are declared lost or removed', () => {
    const active = play([
      [0, 'CCCC'],
      [1, 'SSSC'],
    ]);
    const gone = { members: see('SSSC').members.slice(2) };
    expect(stepGuard(active, gone, terms, 2).active).toBeUndefined();
  });

  it('released by hand does not come back for the same silence, but for a new one', () => {
    const released = stepGuard(
      play([
        [0, 'CC'],
        [1, 'SS'],
      ]),
      { ...see('SS'), releasedByHand: true },
      terms,
      2,
    );
    expect(released.active).toBeUndefined();
    expect(play([[3, 'SS']], released).active).toBeUndefined();
    expect(
      play(
        [
          [3, 'CC'],
          [4, 'SS'],
        ],
        released,
      ).active?.cause,
    ).toBe('MassSilence');
  });
});

describe('a hub outage', () => {
  const started = guardAtLeaderStart(['member-b', 'member-a'].map(memberName), 0);

  it('guards from the start of leadership until every member has reported', () => {
    expect(started.active).toMatchObject({ cause: 'HubOutage', awaiting: ['member-a', 'member-b'] });
    expect(play([[1, 'CN']], started).active).toMatchObject({ awaiting: ['member-b'] });
    expect(
      play(
        [
          [1, 'CN'],
          [2, 'CC'],
        ],
        started,
      ).active,
    ).toBeUndefined();
  });

  it('guards for one lease when only few members stay away', () => {
    const most = play([[1, 'CS']], started);
    expect(play([[599_999, 'CS']], most).active?.cause).toBe('HubOutage');
    expect(play([[600_000, 'CS']], most).active).toBeUndefined();
  });

  it('becomes a mass silence when most stay away', () => {
    expect(
      play(
        [
          [1, 'SS'],
          [600_000, 'SS'],
        ],
        started,
      ).active?.cause,
    ).toBe('MassSilence');
  });

  it('of a hub without members guards nothing', () => {
    expect(guardAtLeaderStart([], 0)).toEqual({ silent: [] });
  });

  it('says for whom it waits', () => {
    expect(guardDetail(started, 5_000)).toBe('the hub has just begun to lead; waiting for member-a, member-b for 5 s');
    expect(guardDetail({ silent: [] }, 5_000)).toBeUndefined();
  });
});

describe('any history', () => {
  it('gives the same state however the members are listed, and guards only while members are missing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(100_000), fc.array(fc.constantFrom('C', 'S', 'N'), { minLength: 1, maxLength: 6 })), {
          maxLength: 15,
        }),
        (steps) => {
          let now = 0;
          let [forward, backward]: [GuardState, GuardState] = [{ silent: [] }, { silent: [] }];
          for (const [waitMs, healths] of steps) {
            now += waitMs;
            const seen = see(healths.join(''));
            forward = stepGuard(forward, seen, terms, now);
            backward = stepGuard(backward, { members: seen.members.toReversed() }, terms, now);
            expect(backward).toEqual(forward);
            const connected = new Set(
              seen.members.filter((one) => one.health === 'Connected').map((one) => one.member),
            );
            expect(forward.active?.awaiting.some((member) => connected.has(member)) ?? false).toBe(false);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
