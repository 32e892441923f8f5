import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectResponse } from '../../src/wire/generated/lumbung/federation/v1/federation.ts';
import { decodeHubMessage, encodeHubMessage } from '../../src/wire/hub-message-codec.ts';
import { hubMessage } from '../support/wire-arbitraries.ts';

describe('hub messages', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(hubMessage, (message) => {
        const decoded = decodeHubMessage(encodeHubMessage(message));
        expect(decoded.ok ? decoded.value : decoded.error).toEqual(message);
      }),
      { numRuns: 150 },
    );
  });

  it('cut off at any byte are refused', () => {
    fc.assert(
      fc.property(hubMessage, fc.double({ min: 0, max: 1, noNaN: true }), (message, share) => {
        const bytes = encodeHubMessage(message);
        expect(decodeHubMessage(bytes.subarray(0, Math.floor((bytes.length - 1) * share))).ok).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it('of random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeHubMessage(bytes).ok).toBe('boolean');
      }),
      { numRuns: 500 },
    );
  });

  it('that say goodbye for an unknown reason end nothing: the agent comes back later', () => {
    const bytes = ConnectResponse.encode({
      message: { $case: 'goodbye', value: { reason: 99 as never, message: 'm', retryAfterMs: 5 } },
    }).finish();
    expect(decodeHubMessage(bytes)).toEqual({
      ok: true,
      value: {
        kind: 'goodbye',
        reason: 'Draining',
        message: 'reason 99 is not known to this agent: m',
        retryAfterMs: 5,
      },
    });
  });

  it('that bring an empty or foreign trust bundle are refused', () => {
    const bundle = (trustBundle: string[]) =>
      decodeHubMessage(ConnectResponse.encode({ message: { $case: 'trustUpdate', value: { trustBundle } } }).finish());
    expect(bundle([])).toEqual({
      ok: false,
      error: [{ path: 'trustBundle', message: 'must have at least one certificate' }],
    });
    expect(bundle(['-----BEGIN PRIVATE KEY-----'])).toEqual({
      ok: false,
      error: [{ path: 'trustBundle[0]', message: 'must be a PEM CERTIFICATE' }],
    });
    expect(bundle(Array.from({ length: 17 }, () => '-----BEGIN CERTIFICATE-----')).ok).toBe(false);
  });

  it('that welcome with a report interval of 0 are refused', () => {
    const bytes = ConnectResponse.encode({
      message: {
        $case: 'welcome',
        value: { protocolVersion: 1, hubVersion: '', incarnation: 'i', term: 1n, reportIntervalMs: 0 },
      },
    }).finish();
    expect(decodeHubMessage(bytes)).toEqual({
      ok: false,
      error: [{ path: 'reportIntervalMs', message: 'must be a whole number from 1 to 86400000' }],
    });
  });
});
