import { describe, expect, it } from 'vitest';
import {
  AUTHORITY_SECRET,
  openAuthorityStore,
  type AuthorityStore,
} from '../../../src/hub/federation/authority-store.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import { createAuthority } from '../../../src/platform/pki/authority.ts';
import { parseBundle, parseCertificate, verifyIssuedBy } from '../../../src/platform/pki/certificate.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeObjects, type FakeObjects } from './federation-rig.ts';

const dayMs = 86_400_000;
const secretKey = `secrets/lumbung-system/${AUTHORITY_SECRET}`;

interface Opening {
  readonly kube: FakeObjects;
  readonly clock: VirtualClock;
  readonly logLines: string[];
}

const anOpening = (): Opening => ({ kube: fakeObjects(), clock: new VirtualClock(), logLines: [] });

function open({ kube, clock, logLines }: Opening): Promise<AuthorityStore> {
  return openAuthorityStore({
    client: kube.client,
    namespace: 'lumbung-system',
    serverNames: { dnsNames: ['hub.example'], ipAddresses: ['127.0.0.1'] },
    clock,
    random: systemRandom(),
    logger: createSinkLogger('debug', (level, message, fields) =>
      logLines.push(JSON.stringify({ level, message, fields })),
    ),
  });
}

const secretData = (kube: FakeObjects): Record<string, string> =>
  (kube.objects.get(secretKey) as KubeObject & { data: Record<string, string> }).data;

describe('openAuthorityStore', () => {
  it('makes an authority once; whoever opens later has the same fingerprint', async () => {
    const opening = anOpening();
    const first = await open(opening);
    first.stop();
    const again = await open({ ...opening, clock: new VirtualClock() });
    again.stop();
    expect(again.authority.fingerprint).toBe(first.authority.fingerprint);
    expect(again.trustBundle).toEqual(first.trustBundle);
    expect(opening.kube.calls.filter((call) => call.startsWith('create'))).toHaveLength(1);
  });

  it('gives two replicas that start at once one authority', async () => {
    const opening = anOpening();
    const stores = await Promise.all([open(opening), open(opening), open(opening)]);
    for (const store of stores) store.stop();
    expect(opening.kube.calls.filter((call) => call.startsWith('create')).length).toBeGreaterThan(1);
    expect(new Set(stores.map((store) => store.authority.fingerprint)).size).toBe(1);
  });

  it('issues a server certificate for the names that agents dial, from that authority', async () => {
    const opening = anOpening();
    const store = await open(opening);
    store.stop();
    const { certificatePem, trustBundlePem } = store.tls.current();
    const leaf = verifyIssuedBy(certificatePem, trustBundlePem, opening.clock.nowMs());
    expect(leaf).toMatchObject({ dnsNames: ['hub.example'], ipAddresses: ['127.0.0.1'], isAuthority: false });
    expect(leaf.notAfterMs - opening.clock.nowMs()).toBe(30 * dayMs);
  });

  it('renews the server certificate at half its life, with another key, until it is stopped', async () => {
    const opening = anOpening();
    const store = await open(opening);
    const serials: string[] = [];
    store.tls.subscribe((material) => serials.push(parseCertificate(material.certificatePem).serial));
    const before = store.tls.current();
    await opening.clock.advanceAsync(15 * dayMs - 1);
    expect(serials).toEqual([]);
    await opening.clock.advanceAsync(1);
    await eventually(() => serials.length === 1, { what: 'the certificate was renewed' });
    expect(store.tls.current().keyPem).not.toBe(before.keyPem);
    store.stop();
    await opening.clock.advanceAsync(60 * dayMs);
    await new Promise((go) => setTimeout(go, 20));
    expect(serials).toHaveLength(1);
  });

  it('starts no timer again when a renewal ends after it was stopped', async () => {
    const opening = anOpening();
    const store = await open(opening);
    let renewals = 0;
    store.tls.subscribe(() => (renewals += 1));
    opening.clock.advance(15 * dayMs);
    store.stop();
    await eventually(() => renewals === 1, { what: 'the renewal that was under way has ended' });
    await new Promise((go) => setImmediate(go));
    opening.clock.advance(15 * dayMs);
    await new Promise((go) => setTimeout(go, 50));
    expect(renewals).toBe(1);
  });

  it('trusts a retired authority beside the current one', async () => {
    const opening = anOpening();
    (await open(opening)).stop();
    const deps = { clock: opening.clock, random: systemRandom() };
    const old = await createAuthority({ commonName: 'old', validityMs: dayMs }, deps);
    secretData(opening.kube)['retired.crt'] = Buffer.from(old.certificatePem).toString('base64');
    const store = await open({ ...opening, clock: new VirtualClock() });
    store.stop();
    const bundle = parseBundle(store.tls.current().trustBundlePem).map((each) => each.fingerprint);
    expect(bundle).toEqual([store.authority.fingerprint, old.fingerprint]);
    expect(store.trustBundle).toHaveLength(2);
  });

  it('names the key that a damaged Secret lacks, and makes no new authority over it', async () => {
    const opening = anOpening();
    (await open(opening)).stop();
    const data = secretData(opening.kube);
    delete data['tls.key'];
    await expect(open(opening)).rejects.toThrow(`Secret ${AUTHORITY_SECRET} has no key tls.key`);
    expect(opening.kube.calls.filter((call) => call.startsWith('create'))).toHaveLength(1);
  });

  it('refuses a key that does not belong to the certificate', async () => {
    const opening = anOpening();
    (await open(opening)).stop();
    const deps = { clock: opening.clock, random: systemRandom() };
    const other = await createAuthority({ commonName: 'other', validityMs: dayMs }, deps);
    secretData(opening.kube)['tls.key'] = Buffer.from(other.keyPem).toString('base64');
    await expect(open(opening)).rejects.toMatchObject({ kind: 'PkiError' });
  });

  it('writes key material into the Secret and nowhere else', async () => {
    const opening = anOpening();
    const store = await open(opening);
    store.stop();
    expect(Buffer.from(secretData(opening.kube)['tls.key'] ?? '', 'base64').toString()).toBe(store.authority.keyPem);
    expect(opening.logLines.join('\n')).toContain(store.authority.fingerprint);
    expect(opening.logLines.join('\n')).not.toMatch(/PRIVATE KEY|MIG/);
  });
});
