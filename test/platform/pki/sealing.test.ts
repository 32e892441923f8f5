import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPkiError } from '../../../src/platform/pki/pki-error.ts';
import { createSealer, createSealingKey, seal } from '../../../src/platform/pki/sealing.ts';

function failureOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isPkiError(error)) return error.why;
    throw error;
  }
  return 'no failure';
}

const key = createSealingKey();
const sealer = createSealer(key.privateKeyPem);

describe('sealing', () => {
  it('gives back exactly what was sealed, whatever its bytes and length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (plain) => {
        expect(sealer.open(seal(plain, key.publicKey))).toEqual(plain);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps its public key when the private key is read back', () => {
    expect(sealer.publicKey).toEqual(key.publicKey);
    expect(key.publicKey).toHaveLength(32);
  });

  it('never makes the same box twice', () => {
    const plain = new Uint8Array(16);
    expect(seal(plain, key.publicKey)).not.toEqual(seal(plain, key.publicKey));
  });

  it('does not open with another key', () => {
    const other = createSealer(createSealingKey().privateKeyPem);
    expect(failureOf(() => other.open(seal(Uint8Array.of(1, 2, 3), key.publicKey)))).toBe('BadSignature');
  });

  it('refuses a box of which any single byte was changed', () => {
    const box = seal(Uint8Array.of(1, 2, 3, 4), key.publicKey);
    for (let index = 0; index < box.length; index += 1) {
      const forged = Uint8Array.from(box);
      forged[index] = (forged[index] ?? 0) ^ 1;
      expect(
        failureOf(() => sealer.open(forged)),
        `byte ${index}`,
      ).not.toBe('no failure');
    }
  });

  it('refuses every truncation as malformed or altered', () => {
    const box = seal(new Uint8Array(8), key.publicKey);
    for (let length = 0; length < box.length; length += 1) {
      expect(['Malformed', 'BadSignature']).toContain(failureOf(() => sealer.open(box.subarray(0, length))));
    }
  });

  it.each([
    ['a text that is no PEM', 'secret-looking text', 'Malformed'],
    [
      'a P-256 key',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'UnsupportedKey',
    ],
  ])('refuses %s as sealing key without repeating it', (_what, pem, why) => {
    expect(failureOf(() => createSealer(pem))).toBe(why);
    expect(() => createSealer(pem)).not.toThrow(pem);
  });

  it('refuses a public key of the wrong length, and one that gives no secret', () => {
    expect(failureOf(() => seal(new Uint8Array(1), new Uint8Array(31)))).toBe('Malformed');
    expect(failureOf(() => seal(new Uint8Array(1), new Uint8Array(32)))).toBe('UnsupportedKey');
  });
});
