import { createSecureContext } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { createAuthority, loadAuthority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { joinBundles, parseBundle, parseCertificate, verifyIssuedBy } from '../../../src/platform/pki/certificate.ts';

const hourMs = 3_600_000;
const clock = new VirtualClock({ wallMs: Date.now() });
const deps = { clock, random: systemRandom() };
const spiffeUri = 'spiffe://hub.example/member/north/cluster/u1/jurisdiction/ID';

async function aMember(commonName = 'north') {
  const made = await createKeyAndCsr({ commonName });
  return { ...made, ...(await verifyCsr(made.csrPem)) };
}

describe('authority', () => {
  it('issues client certificates with the one identity given and nothing from the request', async () => {
    const authority = await createAuthority({ commonName: 'hub', validityMs: 1_000 * hourMs }, deps);
    const member = await aMember('evil, O=system:masters');
    const pem = await authority.issueClientCertificate({
      ...member,
      commonName: 'north',
      spiffeUri,
      validityMs: hourMs,
    });
    const info = verifyIssuedBy(pem, authority.certificatePem, clock.nowMs());
    expect(info).toMatchObject({
      commonName: 'north',
      uris: [spiffeUri],
      dnsNames: [],
      ipAddresses: [],
      isAuthority: false,
    });
    expect(info.publicKeyFingerprint).toBe(member.publicKeyFingerprint);
    expect(info.notBeforeMs).toBeLessThanOrEqual(clock.nowMs() - 5 * 60_000 + 1_000);
    expect(Math.abs(info.notAfterMs - (clock.nowMs() + hourMs))).toBeLessThan(1_000);
    expect(() => createSecureContext({ cert: pem, key: member.keyPem })).not.toThrow();
  });

  it('keeps odd characters of names as characters', async () => {
    const authority = await createAuthority({ commonName: 'hub, CN=other+x', validityMs: hourMs }, deps);
    expect(parseCertificate(authority.certificatePem).commonName).toBe('hub, CN=other+x');
  });

  it('issues server certificates with the authority in the chain, and never beyond its own end', async () => {
    const authority = await createAuthority({ commonName: 'hub', validityMs: hourMs }, deps);
    const pair = await authority.issueServerCertificate({
      commonName: 'hub',
      dnsNames: ['hub.example'],
      ipAddresses: ['127.0.0.1', '::1'],
      validityMs: 1_000 * hourMs,
    });
    const [leaf, second] = parseBundle(pair.certificatePem);
    expect(leaf).toMatchObject({ dnsNames: ['hub.example'], ipAddresses: ['127.0.0.1', '::1'] });
    expect(second?.fingerprint).toBe(authority.fingerprint);
    expect(leaf?.notAfterMs).toBe(parseCertificate(authority.certificatePem).notAfterMs);
    expect(() => createSecureContext({ cert: pair.certificatePem, key: pair.keyPem })).not.toThrow();
  });

  it('gives every certificate a serial of its own, positive and not too long', async () => {
    const authority = await createAuthority({ commonName: 'hub', validityMs: hourMs }, deps);
    const member = await aMember();
    const serials = new Set<string>();
    for (let i = 0; i < 20; i += 1) {
      const pem = await authority.issueClientCertificate({ ...member, spiffeUri, validityMs: hourMs });
      serials.add(parseCertificate(pem).serial);
    }
    expect(serials.size).toBe(20);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });

  it('is the same authority after being loaded from its PEM texts', async () => {
    const authority = await createAuthority({ commonName: 'hub', validityMs: hourMs }, deps);
    const loaded = await loadAuthority(authority, deps);
    const member = await aMember();
    const pem = await loaded.issueClientCertificate({ ...member, spiffeUri, validityMs: 60_000 });
    expect(verifyIssuedBy(pem, authority.certificatePem, clock.nowMs()).uris).toEqual([spiffeUri]);
    expect(loaded.fingerprint).toBe(authority.fingerprint);
  });

  it('refuses to load a leaf, a foreign key or something else', async () => {
    const one = await createAuthority({ commonName: 'one', validityMs: hourMs }, deps);
    const two = await createAuthority({ commonName: 'two', validityMs: hourMs }, deps);
    const server = await one.issueServerCertificate({ commonName: 's', validityMs: hourMs });
    await expect(loadAuthority(server, deps)).rejects.toMatchObject({ why: 'UnknownAuthority' });
    await expect(loadAuthority({ ...one, keyPem: two.keyPem }, deps)).rejects.toMatchObject({ why: 'BadSignature' });
    await expect(loadAuthority({ ...one, keyPem: 'nonsense' }, deps)).rejects.toMatchObject({ why: 'Malformed' });
    await expect(loadAuthority({ ...one, certificatePem: '' }, deps)).rejects.toMatchObject({ why: 'Malformed' });
  });
});

describe('verifyIssuedBy', () => {
  it('refuses a foreign authority, one that only has the same name, and certificates outside their validity', async () => {
    const ours = await createAuthority({ commonName: 'hub', validityMs: 1_000 * hourMs }, deps);
    const impostor = await createAuthority({ commonName: 'hub', validityMs: 1_000 * hourMs }, deps);
    const member = await aMember();
    const good = await ours.issueClientCertificate({ ...member, spiffeUri, validityMs: hourMs });
    const forged = await impostor.issueClientCertificate({ ...member, spiffeUri, validityMs: hourMs });
    const nowMs = clock.nowMs();
    expect(() => verifyIssuedBy(forged, ours.certificatePem, nowMs)).toThrow(
      expect.objectContaining({ why: 'UnknownAuthority' }),
    );
    expect(() => verifyIssuedBy(good, ours.certificatePem, nowMs + 2 * hourMs)).toThrow(
      expect.objectContaining({ why: 'OutsideValidity' }),
    );
    expect(() => verifyIssuedBy(good, ours.certificatePem, nowMs - hourMs)).toThrow(
      expect.objectContaining({ why: 'OutsideValidity' }),
    );
    const both = joinBundles(impostor.certificatePem, ours.certificatePem);
    expect(verifyIssuedBy(good, both, nowMs).commonName).toBe('north');
  });

  it('does not take a leaf for an authority', async () => {
    const authority = await createAuthority({ commonName: 'hub', validityMs: hourMs }, deps);
    const member = await aMember();
    const pem = await authority.issueClientCertificate({ ...member, spiffeUri, validityMs: hourMs });
    expect(() => verifyIssuedBy(pem, pem, clock.nowMs())).toThrow(expect.objectContaining({ why: 'UnknownAuthority' }));
  });
});

describe('bundles', () => {
  it('joins with the newline that OpenSSL needs, and each certificate once', async () => {
    const one = await createAuthority({ commonName: 'one', validityMs: hourMs }, deps);
    const two = await createAuthority({ commonName: 'two', validityMs: hourMs }, deps);
    const bare = one.certificatePem.trimEnd();
    const joined = joinBundles(bare, two.certificatePem.trimEnd(), one.certificatePem);
    expect(parseBundle(joined).map((each) => each.commonName)).toEqual(['one', 'two']);
    expect(joined).toBe(one.certificatePem + two.certificatePem);
    expect(() => createSecureContext({ ca: joined })).not.toThrow();
  });

  it.each(['', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])(
    'refuses %j as Malformed',
    (pem) => {
      expect(() => parseBundle(pem)).toThrow(expect.objectContaining({ kind: 'PkiError', why: 'Malformed' }));
      expect(() => parseCertificate(pem)).toThrow(expect.objectContaining({ why: 'Malformed' }));
    },
  );
});
