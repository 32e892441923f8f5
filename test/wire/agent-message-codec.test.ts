import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAgentMessage, encodeAgentMessage } from '../../src/wire/agent-message-codec.ts';
import { ConnectRequest } from '../../src/wire/generated/lumbung/federation/v1/federation.ts';
import { agentMessage } from '../support/wire-arbitraries.ts';

describe('agent messages', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(agentMessage, (message) => {
        const decoded = decodeAgentMessage(encodeAgentMessage(message));
        expect(decoded.ok ? decoded.value : decoded.error).toEqual(message);
      }),
      { numRuns: 150 },
    );
  });

  it('give the same bytes each time', () => {
    fc.assert(
      fc.property(agentMessage, (message) => {
        expect(encodeAgentMessage(structuredClone(message))).toEqual(encodeAgentMessage(message));
      }),
      { numRuns: 50 },
    );
  });

  it('cut off at any byte never throw, and never read as something else than a shorter whole', () => {
    fc.assert(
      fc.property(agentMessage, fc.double({ min: 0, max: 1, noNaN: true }), (message, share) => {
        const bytes = encodeAgentMessage(message);
        const decoded = decodeAgentMessage(bytes.subarray(0, Math.floor((bytes.length - 1) * share)));
        expect(decoded.ok).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it('of random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = decodeAgentMessage(bytes);
        if (!decoded.ok) expect(decoded.error.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it('with one byte changed never throw', () => {
    fc.assert(
      fc.property(agentMessage, fc.nat(), fc.integer({ min: 0, max: 255 }), (message, at, byte) => {
        const bytes = Uint8Array.from(encodeAgentMessage(message));
        bytes[at % bytes.length] = byte;
        expect(typeof decodeAgentMessage(bytes).ok).toBe('boolean');
      }),
      { numRuns: 300 },
    );
  });

  it('that are empty or of an unknown kind are refused as such', () => {
    const problem = { path: '', message: 'is empty or of a kind that this version does not know' };
    expect(decodeAgentMessage(new Uint8Array(0))).toEqual({ ok: false, error: [problem] });
    // Field 99, length-delimited, 1 byte: a kind from the future.
    expect(decodeAgentMessage(new Uint8Array([0x9a, 0x06, 0x01, 0x00]))).toEqual({ ok: false, error: [problem] });
  });

  it('say hello with every problem named', () => {
    const bytes = ConnectRequest.encode({
      message: {
        $case: 'hello',
        value: {
          protocolVersion: 1,
          oldestProtocolVersion: 1,
          clusterUid: 'not a uid!',
          epoch: 2n ** 60n,
          agentVersion: 'x'.repeat(300),
          kubernetesVersion: '',
          sealingPublicKey: new Uint8Array(31),
        },
      },
    }).finish();
    const decoded = decodeAgentMessage(bytes);
    expect(decoded.ok ? [] : decoded.error).toEqual([
      { path: 'clusterUid', message: 'must be letters, digits and "-"' },
      { path: 'epoch', message: `must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}` },
      { path: 'agentVersion', message: 'must have at most 253 characters, has 300' },
      { path: 'sealingPublicKey', message: 'must have at least 32 bytes, has 31' },
    ]);
  });

  it('with a log refusal of an unknown reason still refuse the log', () => {
    const bytes = ConnectRequest.encode({
      message: { $case: 'logRefusal', value: { sessionId: 's', reason: 77 as never, message: 'm' } },
    }).finish();
    expect(decodeAgentMessage(bytes)).toEqual({
      ok: true,
      value: {
        kind: 'logRefusal',
        sessionId: 's',
        reason: 'NotFound',
        message: 'reason 77 is not known to this hub: m',
      },
    });
  });
});
