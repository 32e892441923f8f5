import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeLogAgentMessage,
  decodeLogHubMessage,
  encodeLogAgentMessage,
  encodeLogHubMessage,
} from '../../src/wire/log-stream-codec.ts';
import type { LogAgentMessage, LogHubMessage } from '../../src/wire/session-messages.ts';

const agentMessages: fc.Arbitrary<LogAgentMessage> = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), sessionId: fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/) }),
  fc.record({ kind: fc.constant('chunk' as const), bytes: fc.uint8Array({ maxLength: 500 }) }),
  fc.record({
    kind: fc.constant('end' as const),
    message: fc.string({ maxLength: 20 }).filter((text) => !text.includes('\u0000')),
  }),
);
const hubMessages: fc.Arbitrary<LogHubMessage> = fc.oneof(
  fc.record({ kind: fc.constant('window' as const), bytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) }),
  fc.record({ kind: fc.constant('closed' as const) }),
);

describe('log streams', () => {
  it('carry what the agent sends', () => {
    fc.assert(
      fc.property(agentMessages, (message) => {
        expect(decodeLogAgentMessage(encodeLogAgentMessage(message))).toEqual({ ok: true, value: message });
      }),
    );
  });

  it('carry what the hub sends', () => {
    fc.assert(
      fc.property(hubMessages, (message) => {
        expect(decodeLogHubMessage(encodeLogHubMessage(message))).toEqual({ ok: true, value: message });
      }),
    );
  });

  it('never throw on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect([typeof decodeLogAgentMessage(bytes).ok, typeof decodeLogHubMessage(bytes).ok]).toEqual([
          'boolean',
          'boolean',
        ]);
      }),
    );
  });

  it('refuse a chunk above 256 KiB', () => {
    const bytes = encodeLogAgentMessage({ kind: 'chunk', bytes: new Uint8Array(262_145) });
    expect(decodeLogAgentMessage(bytes)).toEqual({
      ok: false,
      error: [{ path: 'chunk', message: 'must have at most 262144 bytes, has 262145' }],
    });
  });

  it('refuse a session id that is none, and empty messages', () => {
    expect(decodeLogAgentMessage(encodeLogAgentMessage({ kind: 'open', sessionId: '../x' })).ok).toBe(false);
    expect(decodeLogAgentMessage(new Uint8Array(0)).ok).toBe(false);
    expect(decodeLogHubMessage(new Uint8Array(0)).ok).toBe(false);
  });
});
