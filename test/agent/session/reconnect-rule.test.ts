import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endReason, nextStep, type SessionEnd } from '../../../src/agent/session/reconnect-rule.ts';

const facts = { failures: 0, welcomed: false, addresses: 1 };
const half = { next: () => 0.5 };
const goodbye = (reason: Extract<SessionEnd, { kind: 'goodbye' }>['reason'], retryAfterMs = 0): SessionEnd => ({
  kind: 'goodbye',
  reason,
  message: '',
  retryAfterMs,
});

describe('what the end of a session means', () => {
  it.each([
    [
      'a lost connection',
      { kind: 'lost', code: 'UNAVAILABLE', message: '' },
      facts,
      { delayMs: 375, otherAddress: true, failures: 1 },
    ],
    [
      'a lost connection after a welcome',
      { kind: 'lost', code: 'UNAVAILABLE', message: '' },
      { ...facts, failures: 9, welcomed: true },
      { delayMs: 375, failures: 1 },
    ],
    [
      'silence for the fourth time',
      { kind: 'silent', message: '' },
      { ...facts, failures: 3 },
      { delayMs: 3000, failures: 4 },
    ],
    ['the hundredth failure', { kind: 'silent', message: '' }, { ...facts, failures: 99 }, { delayMs: 22_500 }],
    ['a renewed certificate', { kind: 'renewed' }, facts, { delayMs: 0, otherAddress: false, failures: 0 }],
    [
      'a replica that does not lead, others untried',
      goodbye('NotLeader', 500),
      { ...facts, addresses: 3 },
      { delayMs: 250, otherAddress: true, failures: 1 },
    ],
    [
      'the last replica that does not lead',
      goodbye('NotLeader', 500),
      { ...facts, failures: 2, addresses: 3 },
      { delayMs: 625, failures: 2 },
    ],
    [
      'the only replica, which does not lead yet, for the ninth time',
      goodbye('NotLeader', 500),
      { ...facts, failures: 8 },
      { delayMs: 625, failures: 8 },
    ],
    ['a draining hub', goodbye('Draining', 0), { ...facts, welcomed: true }, { delayMs: 250, otherAddress: true }],
    [
      'a hub that asks for patience',
      goodbye('UnsupportedVersion', 60_000),
      facts,
      { delayMs: 60_000, otherAddress: false },
    ],
    ['a hub that asks for too much patience', goodbye('NotAccepted', 9_000_000), facts, { delayMs: 300_000 }],
    ['an old leader', { kind: 'lowerTerm', term: 1, seen: 2 }, facts, { delayMs: 375, otherAddress: true }],
  ] as const)('after %s', (_what, end, given, want) => {
    expect(nextStep(end, given, half)).toMatchObject({ kind: 'again', ...want });
  });

  it.each([
    [goodbye('Revoked'), 'Revoked'],
    [goodbye('Superseded'), 'Superseded'],
    [{ kind: 'stopped' } as const, 'Stopped'],
  ])('ends for good after %o', (end, kind) => {
    expect(nextStep(end, facts, half)).toMatchObject({ kind: 'exit', exit: { kind } });
  });

  it('never waits longer than five minutes nor hammers a hub that fails', () => {
    const reasons = fc.constantFrom(
      'NotLeader',
      'Draining',
      'NotAccepted',
      'Malformed',
      'DeclaredLost',
      'UnsupportedVersion' as const,
    );
    fc.assert(
      fc.property(
        reasons,
        fc.nat(1e9),
        fc.nat(1000),
        fc.boolean(),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (...[reason, retryAfterMs, failures, welcomed, next]) => {
          const step = nextStep(
            goodbye(reason, retryAfterMs),
            { failures, welcomed, addresses: 2 },
            { next: () => next },
          );
          expect(step.kind === 'again' && step.delayMs >= 250 && step.delayMs <= 300_000).toBe(true);
        },
      ),
    );
  });

  it('names every end by a word', () => {
    expect(endReason(goodbye('Draining'))).toBe('Draining');
    expect(endReason({ kind: 'renewed' })).toBe('renewed');
  });
});
