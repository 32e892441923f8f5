import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEnrolAnswer,
  decodeEnrolRequest,
  decodeRenewAnswer,
  decodeRenewRequest,
  encodeEnrolAnswer,
  encodeEnrolRequest,
  encodeRenewAnswer,
  encodeRenewRequest,
  type EnrolAnswer,
  type EnrolRequest,
} from '../../src/wire/enrolment-codec.ts';
import { EnrolResponse } from '../../src/wire/generated/lumbung/federation/v1/federation.ts';

const CSR = '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n';
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const request: EnrolRequest = {
  protocolVersion: 1,
  member: 'jakarta',
  token: 'lumbung-secret-token',
  csrPem: CSR,
  clusterUid: '0d1c5c2e',
  agentVersion: '0.1.0',
  jurisdiction: 'ID',
};
const answers: readonly EnrolAnswer[] = [
  { kind: 'Issued', certificatePem: CERTIFICATE, trustBundle: [CERTIFICATE] },
  { kind: 'Pending', message: 'waiting for acceptance', retryAfterSeconds: 2 },
  { kind: 'Refused', message: 'not valid' },
];

describe('enrolment', () => {
  it('carries a request, with and without a jurisdiction', () => {
    for (const one of [request, { ...request, jurisdiction: '' }]) {
      expect(decodeEnrolRequest(encodeEnrolRequest(one))).toEqual({ ok: true, value: one });
    }
  });

  it.each(answers)('carries the answer $kind', (answer) => {
    expect(decodeEnrolAnswer(encodeEnrolAnswer(answer))).toEqual({ ok: true, value: answer });
  });

  it('carries a renewal and its answer', () => {
    expect(decodeRenewRequest(encodeRenewRequest({ csrPem: CSR }))).toEqual({ ok: true, value: { csrPem: CSR } });
    const answer = { certificatePem: CERTIFICATE, trustBundle: [CERTIFICATE, CERTIFICATE] };
    expect(decodeRenewAnswer(encodeRenewAnswer(answer))).toEqual({ ok: true, value: answer });
  });

  it.each<[string, Partial<EnrolRequest>, string]>([
    ['no token', { token: '' }, 'token'],
    ['an endless token', { token: 't'.repeat(513) }, 'token'],
    ['a member that is no label', { member: 'Jakarta.1' }, 'memberName'],
    ['no CSR', { csrPem: '' }, 'csr'],
    ['a private key instead of a CSR', { csrPem: '-----BEGIN PRIVATE KEY-----' }, 'csr'],
    ['an oversized CSR', { csrPem: CSR + 'A'.repeat(40_000) }, 'csr'],
    ['a jurisdiction in lower case', { jurisdiction: 'id' }, 'jurisdiction'],
    ['a cluster UID with a space', { clusterUid: 'a b' }, 'clusterUid'],
  ])('refuses %s by path', (_name, change, path) => {
    const decoded = decodeEnrolRequest(encodeEnrolRequest({ ...request, ...change }));
    expect(decoded.ok ? [] : decoded.error.map((problem) => problem.path)).toEqual([path]);
  });

  it('never repeats the token in a problem', () => {
    const decoded = decodeEnrolRequest(
      encodeEnrolRequest({ ...request, token: `hunter2\u0000${'x'.repeat(600)}`, member: '!' }),
    );
    expect(decoded.ok).toBe(false);
    expect(JSON.stringify(decoded)).not.toContain('hunter2');
  });

  it('refuses an answer of an unknown state', () => {
    const bytes = EnrolResponse.encode({
      state: 9 as never,
      message: '',
      certificate: '',
      trustBundle: [],
      retryAfterSeconds: 0,
    }).finish();
    expect(decodeEnrolAnswer(bytes)).toEqual({
      ok: false,
      error: [{ path: 'state', message: '9 is not known to this version' }],
    });
    expect(decodeEnrolAnswer(new Uint8Array(0)).ok).toBe(false);
  });

  it('never throws on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        for (const decode of [decodeEnrolRequest, decodeEnrolAnswer, decodeRenewRequest, decodeRenewAnswer]) {
          expect(typeof decode(bytes).ok).toBe('boolean');
        }
      }),
    );
  });
});
