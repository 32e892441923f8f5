import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyAndCsr, requireAllowedKey, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { decodeOnePem, encodePem } from '../../../src/platform/pki/pem.ts';

const label = 'CERTIFICATE REQUEST';

describe('certificate requests', () => {
  it('come from one key with one fingerprint, however often they are made', async () => {
    const first = await createKeyAndCsr({ commonName: 'north' });
    const second = await createKeyAndCsr({ commonName: 'other', keyPem: first.keyPem });
    const [a, b] = [await verifyCsr(first.csrPem), await verifyCsr(second.csrPem)];
    expect(a.commonName).toBe('north');
    expect(b.publicKeyFingerprint).toBe(a.publicKeyFingerprint);
    const third = await createKeyAndCsr({ commonName: 'north' });
    expect((await verifyCsr(third.csrPem)).publicKeyFingerprint).not.toBe(a.publicKeyFingerprint);
  });

  it('cannot be made to say anything else by changing bytes', async () => {
    const { csrPem } = await createKeyAndCsr({ commonName: 'north' });
    const said = await verifyCsr(csrPem);
    const der = decodeOnePem(csrPem, label, 'CSR');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: der.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const changed = Uint8Array.from(der);
          changed[at] = (changed[at] ?? 0) ^ flip;
          // Bytes outside the signed part may have two spellings of one meaning; nothing signed may change.
          const outcome = await verifyCsr(encodePem(changed, label)).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toMatchObject({ kind: 'PkiError' });
          else expect(outcome).toEqual(said);
        },
      ),
      { numRuns: 250 },
    );
  });

  it('are refused when the key was swapped for another', async () => {
    const victim = await createKeyAndCsr({ commonName: 'north' });
    const thief = await createKeyAndCsr({ commonName: 'north' });
    const own = (await verifyCsr(thief.csrPem)).publicKeySpki;
    const victims = (await verifyCsr(victim.csrPem)).publicKeySpki;
    const der = Buffer.from(decodeOnePem(victim.csrPem, label, 'CSR'));
    const at = der.indexOf(Buffer.from(victims));
    expect(at).toBeGreaterThan(0);
    Buffer.from(own).copy(der, at);
    await expect(verifyCsr(encodePem(der, label))).rejects.toMatchObject({ why: 'BadSignature' });
  });

  it.each([
    { name: 'nothing', pem: '' },
    { name: 'a certificate label', pem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
    { name: 'an empty block', pem: `-----BEGIN ${label}-----\n=\n-----END ${label}-----\n` },
    { name: 'a text too large', pem: 'x'.repeat(20_000) },
  ])('are refused as Malformed for $name', async ({ pem }) => {
    await expect(verifyCsr(pem)).rejects.toMatchObject({ kind: 'PkiError', why: 'Malformed' });
  });

  it('are refused when one text holds two', async () => {
    const { csrPem } = await createKeyAndCsr({ commonName: 'a' });
    await expect(verifyCsr(csrPem + csrPem)).rejects.toMatchObject({ why: 'Malformed' });
  });

  it('take P-256 and P-384 keys and no others', () => {
    const spki = (curve: string): Uint8Array =>
      generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'der', type: 'spki' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'der', type: 'spki' });
    expect(() => {
      requireAllowedKey(spki('prime256v1'));
    }).not.toThrow();
    expect(() => {
      requireAllowedKey(spki('secp384r1'));
    }).not.toThrow();
    expect(() => {
      requireAllowedKey(spki('secp521r1'));
    }).toThrow(expect.objectContaining({ why: 'UnsupportedKey' }));
    expect(() => {
      requireAllowedKey(rsa);
    }).toThrow(expect.objectContaining({ why: 'UnsupportedKey' }));
    expect(() => {
      requireAllowedKey(new Uint8Array([1, 2]));
    }).toThrow(expect.objectContaining({ why: 'Malformed' }));
  });

  it('refuse a private key that is none, without quoting it', async () => {
    const keyPem = '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n';
    const error = await createKeyAndCsr({ commonName: 'a', keyPem }).catch((caught: unknown) => caught as Error);
    expect(error).toMatchObject({ why: 'UnsupportedKey' });
    expect((error as Error).message).not.toContain('c2VjcmV0');
  });
});
