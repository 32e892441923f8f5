import { describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import { admitGuest, judgeGuest, type GuestFacts, type PolicyState } from '../../../src/agent/lending/admission.ts';
import { compilePolicy } from '../../../src/agent/lending/compile-policy.ts';
import { jurisdiction, tenantName } from '../../../src/core/model/ids.ts';
import { aPolicy } from '../../support/agent-builders.ts';

function lending(spec: Record<string, unknown>): Extract<PolicyState, { kind: 'Lending' }> {
  const compiled = compilePolicy(aPolicy(spec));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return { kind: 'Lending', policy: compiled.value };
}

const guest = (facts: Partial<Record<keyof GuestFacts, unknown>> = {}): GuestFacts =>
  ({
    tenant: tenantName('team-a'),
    images: ['registry.example/team-a/tool:1'],
    jurisdictions: [],
    ...facts,
  }) as GuestFacts;

const digest = `@sha256:${'0a'.repeat(32)}`;

describe('what the policy says to a new guest', () => {
  it.each([
    ['takes anyone by an empty policy', {}, guest(), 'ID', undefined],
    ['refuses a tenant that is not listed', { tenants: ['team-b'] }, guest(), 'ID', 'tenant team-a'],
    ['refuses every tenant by an empty list', { tenants: [] }, guest(), 'ID', 'tenant team-a'],
    ['refuses when the certificate says another country', { jurisdiction: 'SG' }, guest(), 'ID', 'certificate says ID'],
    [
      'refuses when the certificate says nothing but the owner does',
      { jurisdiction: 'SG' },
      guest(),
      undefined,
      'no certificate',
    ],
    ['refuses a job that must stay elsewhere', {}, guest({ jurisdictions: ['SG'] }), 'ID', 'this cluster is in ID'],
    [
      'takes a job that allows this country',
      { jurisdiction: 'ID' },
      guest({ jurisdictions: ['SG', 'ID'] }),
      'ID',
      undefined,
    ],
    [
      'refuses a job with limits where no country is known',
      {},
      guest({ jurisdictions: ['ID'] }),
      undefined,
      'no stated jurisdiction',
    ],
    [
      'refuses data of countries that the owner does not take',
      { dataJurisdictions: ['SG'] },
      guest({ jurisdictions: ['ID'] }),
      'ID',
      'takes data of SG',
    ],
    [
      'refuses data without a statement where the owner wants one',
      { dataJurisdictions: ['ID'] },
      guest(),
      'ID',
      'states none',
    ],
    [
      'takes data of a country that the owner takes',
      { dataJurisdictions: ['ID', 'SG'] },
      guest({ jurisdictions: ['ID'] }),
      'ID',
      undefined,
    ],
    [
      'refuses an image that no pattern allows',
      { images: { allow: ['registry.example/team-b/*'] } },
      guest(),
      'ID',
      'no pattern',
    ],
    ['refuses every image by an empty list', { images: { allow: [] } }, guest(), 'ID', 'no pattern'],
    ['refuses a tag where a digest is required', { images: { requireDigest: true } }, guest(), 'ID', 'digest'],
    [
      'takes a digest where one is required',
      { images: { requireDigest: true } },
      guest({ images: [`registry.example/t${digest}`] }),
      'ID',
      undefined,
    ],
    [
      'refuses the second image though the first is allowed',
      { images: { allow: ['good.example/*'] } },
      guest({ images: ['good.example/a', 'bad.example/b'] }),
      'ID',
      'bad.example',
    ],
    ['refuses a template without images', {}, guest({ images: [] }), 'ID', 'no image'],
  ] as const)('%s', (...[, spec, facts, certified, refusal]) => {
    const answer = admitGuest(lending(spec), facts, certified === undefined ? undefined : jurisdiction(certified));
    if (refusal === undefined) expect(answer.ok).toBe(true);
    else expect(answer).toMatchObject({ ok: false, error: { message: textWith(refusal) } });
  });

  it.each([
    [{ kind: 'Absent', message: 'none' }],
    [{ kind: 'Unreadable', message: 'none' }],
    [{ kind: 'Invalid', message: 'none' }],
  ] as const)('takes nothing new and ends nothing when the policy is %o', (state) => {
    expect(admitGuest(state, guest(), jurisdiction('ID'))).toMatchObject({
      ok: false,
      error: { cause: 'PolicyRefused' },
    });
    expect(judgeGuest(state, guest(), jurisdiction('ID')).ok).toBe(true);
  });

  it.each(['Paused', 'OutsideWindow'] as const)(
    'takes nothing new and ends what runs when the policy is %s',
    (kind) => {
      const state: PolicyState = { kind, policy: lending({}).policy };
      expect(admitGuest(state, guest(), jurisdiction('ID')).ok).toBe(false);
      expect(judgeGuest(state, guest(), jurisdiction('ID')).ok).toBe(false);
    },
  );

  it('tells jurisdictions from other refusals by the cause', () => {
    expect(admitGuest(lending({ jurisdiction: 'SG' }), guest(), jurisdiction('ID'))).toMatchObject({
      error: { cause: 'JurisdictionRefused' },
    });
    expect(admitGuest(lending({ tenants: [] }), guest(), jurisdiction('ID'))).toMatchObject({
      error: { cause: 'PolicyRefused' },
    });
  });

  it('keeps a running guest whose jurisdictions are not known, and ends it for what is', () => {
    const facts: GuestFacts = { tenant: tenantName('team-a'), images: ['registry.example/t:1'] };
    expect(judgeGuest(lending({ dataJurisdictions: ['SG'] }), facts, jurisdiction('ID')).ok).toBe(true);
    expect(judgeGuest(lending({ tenants: ['team-b'] }), facts, jurisdiction('ID')).ok).toBe(false);
    expect(judgeGuest(lending({ jurisdiction: 'SG' }), facts, jurisdiction('ID')).ok).toBe(false);
  });
});
