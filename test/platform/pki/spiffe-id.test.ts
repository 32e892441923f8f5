import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMemberSpiffeId, memberOfCertificate, parseMemberSpiffeId } from '../../../src/platform/pki/spiffe-id.ts';

const good = { trustDomain: 'hub.example', member: 'north-1', clusterUid: 'a0B-9', jurisdiction: 'US-CA' };
const uri = 'spiffe://hub.example/member/north-1/cluster/a0B-9/jurisdiction/US-CA';
const badIdentity: unknown = expect.objectContaining({ kind: 'PkiError', why: 'BadIdentity' });

describe('member SPIFFE IDs', () => {
  it('are read back exactly as they were written', () => {
    expect(formatMemberSpiffeId(good)).toBe(uri);
    const dns = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
    fc.assert(
      fc.property(
        dns,
        dns,
        fc.uuid(),
        fc.stringMatching(/^[A-Z]{2}(-[A-Z0-9]{1,5})?$/),
        (trustDomain, member, clusterUid, jurisdiction) => {
          const id = { trustDomain, member, clusterUid, jurisdiction };
          expect(parseMemberSpiffeId(formatMemberSpiffeId(id))).toEqual(id);
        },
      ),
    );
  });

  it('either are refused or determine their text: nothing is read two ways', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 12 }),
        fc.integer({ min: 0, max: uri.length }),
        fc.integer({ min: 0, max: 3 }),
        (noise, at, cut) => {
          const text = uri.slice(0, at) + noise + uri.slice(at + cut);
          let id: ReturnType<typeof parseMemberSpiffeId>;
          try {
            id = parseMemberSpiffeId(text);
          } catch (error) {
            expect(error).toEqual(badIdentity);
            return;
          }
          expect(formatMemberSpiffeId(id)).toBe(text);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    `${uri}/`,
    `${uri}?x=1`,
    `${uri}\n`,
    uri.replace('spiffe', 'SPIFFE'),
    uri.replace('hub.example', 'hub.example:443'),
    uri.replace('hub.example', 'user@hub.example'),
    uri.replace('north-1', 'North'),
    uri.replace('north-1', '..'),
    uri.replace('north-1', 'a%2Fb'),
    uri.replace('US-CA', 'usa'),
    uri.replace('/cluster/a0B-9', ''),
    `https://hub.example/member/x/cluster/y/jurisdiction/ID`,
  ])('refuse %j', (text) => {
    expect(() => parseMemberSpiffeId(text)).toThrow(badIdentity);
  });

  it('name the field that is wrong when written', () => {
    expect(() => formatMemberSpiffeId({ ...good, member: 'Not Allowed' })).toThrow(
      /member: "Not Allowed" is not a lower-case DNS name/,
    );
  });

  it.each([
    { name: 'no URI', uris: [] },
    { name: 'two URIs', uris: [uri, uri] },
    { name: 'another trust domain', uris: [uri.replace('hub.example', 'evil.example')] },
  ])('are not taken from a certificate with $name', ({ uris }) => {
    expect(() => memberOfCertificate({ uris }, 'hub.example')).toThrow(badIdentity);
  });

  it('are taken from a certificate with exactly one of ours', () => {
    expect(memberOfCertificate({ uris: [uri] }, 'hub.example')).toEqual(good);
  });
});
