import { describe, expect, it } from 'vitest';
import { negotiateVersion, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from '../../src/wire/protocol-version.ts';

const spoken = (oldestProtocolVersion: number, protocolVersion: number) => ({ oldestProtocolVersion, protocolVersion });

describe('negotiateVersion', () => {
  it.each([
    [spoken(1, 3), spoken(2, 4), 3],
    [spoken(2, 4), spoken(1, 3), 3],
    [spoken(4, 4), spoken(2, 4), 4],
    [spoken(1, 9), spoken(2, 4), 4],
  ])('of %j and %j takes the newest that both speak', (peer, own, version) => {
    expect(negotiateVersion(peer, own)).toEqual({ ok: true, value: version });
  });

  it('says which side has to be upgraded', () => {
    expect(negotiateVersion(spoken(1, 1), spoken(2, 4))).toMatchObject({
      ok: false,
      error: expect.stringContaining('the peer is too old') as string,
    });
    expect(negotiateVersion(spoken(5, 6), spoken(2, 4))).toMatchObject({
      ok: false,
      error: expect.stringContaining('this side has to be upgraded') as string,
    });
  });

  it.each([spoken(0, 1), spoken(2, 1), spoken(1.5, 2), spoken(1, Number.NaN)])('refuses %j as malformed', (peer) => {
    expect(negotiateVersion(peer).ok).toBe(false);
  });

  it('of two sides of this build is the current version', () => {
    expect(negotiateVersion(spoken(OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION))).toEqual({
      ok: true,
      value: PROTOCOL_VERSION,
    });
  });
});
