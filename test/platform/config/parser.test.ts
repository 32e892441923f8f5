import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boolean,
  bytes,
  durationMs,
  formatDuration,
  hostPort,
  integer,
  listOf,
  oneOf,
  port,
  text,
  url,
  type Parser,
} from '../../../src/platform/config/parser.ts';

const anyDuration = durationMs({ minMs: 0, maxMs: 10 * 86_400_000 });

describe('parsers', () => {
  it.each<{ parser: Parser<unknown>; raw: unknown; want: unknown }>([
    { parser: anyDuration, raw: '1h30m', want: 5_400_000 },
    { parser: anyDuration, raw: '250ms', want: 250 },
    { parser: anyDuration, raw: '1.5s', want: 1_500 },
    { parser: anyDuration, raw: '0', want: 0 },
    { parser: anyDuration, raw: 0, want: 0 },
    { parser: anyDuration, raw: '7d', want: 604_800_000 },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: '64Mi', want: 67_108_864 },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: '1.5Gi', want: 1_610_612_736 },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: '512k', want: 512_000 },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: 12, want: 12 },
    { parser: integer({ min: -5, max: 5 }), raw: ' -3 ', want: -3 },
    { parser: port(), raw: '65535', want: 65_535 },
    { parser: boolean(), raw: 'Yes', want: true },
    { parser: boolean(), raw: false, want: false },
    { parser: hostPort(), raw: ':8443', want: { host: '::', port: 8443 } },
    { parser: hostPort(), raw: '[fe80::1]:1', want: { host: 'fe80::1', port: 1 } },
    { parser: hostPort(), raw: 'hub.example:443', want: { host: 'hub.example', port: 443 } },
    { parser: url({ protocols: ['https'] }), raw: ' https://x/y ', want: 'https://x/y' },
    { parser: oneOf(['a', 'b']), raw: 'b', want: 'b' },
    { parser: listOf(integer({ min: 0, max: 9 })), raw: '1, 2', want: [1, 2] },
    { parser: listOf(text()), raw: ['x'], want: ['x'] },
    { parser: text(), raw: 5, want: '5' },
  ])('take $raw', ({ parser, raw, want }) => {
    expect(parser.parse(raw)).toEqual({ ok: true, value: want });
  });

  it.each<{ parser: Parser<unknown>; raw: unknown }>([
    { parser: anyDuration, raw: '5' },
    { parser: anyDuration, raw: '1h 30m' },
    { parser: anyDuration, raw: '-1s' },
    { parser: anyDuration, raw: 5 },
    { parser: anyDuration, raw: '11d' },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: '64mi' },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: '64ki' },
    { parser: bytes({ min: 0, max: 2 ** 40 }), raw: '0.5' },
    { parser: bytes({ min: 10, max: 20 }), raw: '1' },
    { parser: integer({ min: -5, max: 5 }), raw: '3.0' },
    { parser: integer({ min: -5, max: 5 }), raw: '0x1' },
    { parser: integer({ min: -5, max: 5 }), raw: Number.NaN },
    { parser: port(), raw: '65536' },
    { parser: boolean(), raw: 'perhaps' },
    { parser: boolean(), raw: 'constructor' },
    { parser: hostPort(), raw: 'a:b:1' },
    { parser: hostPort(), raw: '[nonsense]:1' },
    { parser: hostPort(), raw: 'host' },
    { parser: hostPort(), raw: 'host:70000' },
    { parser: url({ protocols: ['https'] }), raw: 'http://x' },
    { parser: oneOf(['a', 'b']), raw: 'c' },
    { parser: listOf(text()), raw: 'a,,b' },
    { parser: listOf(text()), raw: 5 },
    { parser: text(), raw: '   ' },
    { parser: text({ maxLength: 2 }), raw: 'abc' },
    { parser: text(), raw: {} },
  ])('refuse $raw and say what is allowed', ({ parser, raw }) => {
    const result = parser.parse(raw);
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.error).toMatch(/must be /);
  });

  it('read back every duration as it is written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 * 86_400_000 }), (ms) => {
        expect(anyDuration.parse(formatDuration(ms))).toEqual({ ok: true, value: ms });
      }),
    );
  });
});
