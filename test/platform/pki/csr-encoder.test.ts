import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyAndCsr, publicKeyFingerprintOf, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { encodeCsr } from '../../../src/platform/pki/csr-encoder.ts';
import { encodePem } from '../../../src/platform/pki/pem.ts';

describe('certificate requests made by hand', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const request = (commonName: string): string => encodePem(encodeCsr(commonName, privateKey), 'CERTIFICATE REQUEST');

  it('are read back by the library with name and key, and their signature holds', async () => {
    const name = fc.string({ minLength: 1, maxLength: 16, unit: fc.constantFrom('a', 'Z', '7', '-', '.', 'é', '印') });
    await fc.assert(
      fc.asyncProperty(name, async (commonName) => {
        expect(await verifyCsr(request(commonName))).toMatchObject({
          commonName,
          publicKeyFingerprint: publicKeyFingerprintOf(keyPem),
        });
      }),
      { numRuns: 60 },
    );
  });

  it('carry the longest name in the long form of DER lengths', async () => {
    expect((await verifyCsr(request('x'.repeat(64)))).commonName).toBe('x'.repeat(64));
  });

  it.each(['', 'x'.repeat(65)])('refuse a common name of the wrong length: %j', (commonName) => {
    expect(() => encodeCsr(commonName, privateKey)).toThrow(RangeError);
  });

  it('are no longer valid when one byte is changed', async () => {
    const der = encodeCsr('member-a', privateKey);
    for (let at = 0; at < der.length; at += 7) {
      const changed = Uint8Array.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      const outcome = await verifyCsr(encodePem(changed, 'CERTIFICATE REQUEST')).then(
        (csr) => csr.commonName,
        (error: unknown) => (error as { kind?: string }).kind,
      );
      expect(outcome).toBe('PkiError');
    }
  });

  it('name the same key as the fingerprint of the private key', async () => {
    const made = await createKeyAndCsr({ commonName: 'm' });
    expect((await verifyCsr(made.csrPem)).publicKeyFingerprint).toBe(publicKeyFingerprintOf(made.keyPem));
    expect(() => publicKeyFingerprintOf('nonsense')).toThrow(/cannot be read/);
  });
});
