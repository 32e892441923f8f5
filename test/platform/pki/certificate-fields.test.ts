import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { createAuthority, type Authority } from '../../../src/platform/pki/authority.ts';
import { readCertificateFields } from '../../../src/platform/pki/certificate-fields.ts';
import { parseCertificate } from '../../../src/platform/pki/certificate.ts';
import { readAll } from '../../../src/platform/pki/der-reader.ts';
import { decodePem } from '../../../src/platform/pki/pem.ts';

const deps = { clock: { nowMs: () => Date.UTC(2026, 5, 1) }, random: systemRandom() };

describe('fields of a certificate', () => {
  let authority: Authority;
  beforeAll(async () => {
    authority = await createAuthority({ commonName: 'a hub', validityMs: 86_400_000 }, deps);
  });

  const derOf = (pem: string): Uint8Array => decodePem(pem, 'CERTIFICATE')[0]!;

  it('are those that the library reads', async () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/);
    const years = fc.constantFrom(1, 20, 60);
    await fc.assert(
      fc.asyncProperty(label, fc.array(label, { maxLength: 3 }), years, async (name, dns, validYears) => {
        const pair = await authority.issueServerCertificate({
          commonName: name,
          dnsNames: [...new Set(dns)],
          ipAddresses: ['127.0.0.1', '::1', '2001:db8::8:800:200c:417a'],
          validityMs: validYears * 365 * 86_400_000,
        });
        const der = derOf(pair.certificatePem);
        const theirs = new x509.X509Certificate(Uint8Array.from(der));
        const names = theirs.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
        const fields = readCertificateFields(der);
        expect(fields).toMatchObject({
          commonName: theirs.subjectName.getField('CN')[0],
          dnsNames: names.filter((one) => one.type === 'dns').map((one) => one.value),
          notBeforeMs: theirs.notBefore.getTime(),
          notAfterMs: theirs.notAfter.getTime(),
          serial: theirs.serialNumber.toLowerCase(),
        });
        expect(fields.ipAddresses).toEqual(['127.0.0.1', '::1', '2001:db8::8:800:200c:417a']);
      }),
      { numRuns: 25 },
    );
  });

  it('hold the member’s identity, and no authority is taken for a leaf', async () => {
    const spiffeUri = 'spiffe://lumbung.dev/member/a/cluster/u/jurisdiction/ID';
    const publicKeySpki = new X509Certificate(authority.certificatePem).publicKey.export({
      format: 'der',
      type: 'spki',
    });
    const pem = await authority.issueClientCertificate({ publicKeySpki, commonName: 'a', spiffeUri, validityMs: 1000 });
    expect(parseCertificate(pem)).toMatchObject({ uris: [spiffeUri], commonName: 'a', isAuthority: false });
    expect(parseCertificate(authority.certificatePem)).toMatchObject({
      isAuthority: true,
      uris: [],
      commonName: 'a hub',
      fingerprint: authority.fingerprint,
    });
    expect(createPrivateKey(authority.keyPem).asymmetricKeyType).toBe('ec');
  });

  it('are never read past the end or in a loop, whatever the bytes', () => {
    const der = derOf(authority.certificatePem);
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(der.length), (at, flip, cut) => {
        const changed = Uint8Array.from(der).subarray(0, cut);
        if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ flip;
        try {
          readCertificateFields(changed);
        } catch (error) {
          expect((error as Error).name).toBe('DerError');
        }
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['an indefinite length', [0x30, 0x80, 0, 0]],
    ['a length that is longer than needed', [0x04, 0x81, 0x01, 0xff]],
    ['an element that ends behind its container', [0x04, 0x05, 0x00]],
    ['an end after the tag', [0x04]],
    ['a tag of two bytes', [0x1f, 0x81, 0x00]],
  ])('are refused for %s', (_what, bytes) => {
    expect(() => readAll(Uint8Array.from(bytes))).toThrow(/./);
  });

  it.each(['', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'of no certificate are Malformed: %j',
    (text) => {
      expect(() => parseCertificate(text)).toThrow(
        expect.objectContaining({ kind: 'PkiError', why: 'Malformed' }) as Error,
      );
    },
  );
});
