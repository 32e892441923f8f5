import { describe, expect, it } from 'vitest';
import { jurisdiction, memberName, tenantName } from '../../../../src/core/model/ids.ts';
import { FACT_FILTERS, firstRefusal, MOMENT_FILTERS } from '../../../../src/core/scheduling/refuse.ts';
import type { JobSketch, MemberSketch, PoolSketch } from '../../../support/core-builders.ts';
import { aMember, aPolicy, pendingJob, poolRules } from '../../../support/core-builders.ts';

const at = (...codes: string[]) => codes.map(jurisdiction);

/** What the filters say in their order; undefined = the member may take the job as far as they can tell. */
function ask(job: JobSketch, member: MemberSketch, pool: PoolSketch = {}, avoid?: 'EarlierRun' | 'RecentRefusal') {
  const avoidMembers = avoid === undefined ? [] : [{ member: memberName('member-a'), reason: avoid }];
  return firstRefusal([...FACT_FILTERS, ...MOMENT_FILTERS], {
    pending: pendingJob(job, { avoid: avoidMembers }),
    rules: poolRules(pool),
    member: aMember(member),
  });
}

describe('the filters over members', () => {
  it('let a plain job through', () => {
    expect(ask({}, {})).toBeUndefined();
  });

  it.each([
    [
      'a member never heard',
      ask({}, { readiness: 'NeverReported' }),
      { kind: 'MemberNotReady', readiness: 'NeverReported' },
    ],
    ['a revoked member', ask({}, { readiness: 'Revoked' }), { kind: 'MemberNotReady', readiness: 'Revoked' }],
    ['a cordoned member', ask({}, { readiness: 'Cordoned' }), { kind: 'MemberNotReady', readiness: 'Cordoned' }],
    [
      'a silent member',
      ask({}, { readiness: 'Disconnected', lastReportAgeMs: 61_000 }),
      { kind: 'MemberNotReady', readiness: 'Disconnected', lastReportAgeMs: 61_000 },
    ],
    [
      'a jurisdiction the job forbids',
      ask({ jurisdictions: ['SG'] }, {}),
      { kind: 'ResidencyForbids', memberJurisdiction: 'ID', allowed: ['SG'], by: 'Job' },
    ],
    [
      'a jurisdiction the pool forbids',
      ask({}, {}, { jurisdictions: at('SG', 'DE') }),
      { kind: 'ResidencyForbids', memberJurisdiction: 'ID', allowed: ['SG', 'DE'], by: 'Pool' },
    ],
    [
      'an owner who states another jurisdiction',
      ask({}, { policy: aPolicy({ jurisdiction: jurisdiction('MY') }) }),
      { kind: 'ResidencyForbids', memberJurisdiction: 'ID', allowed: ['MY'], by: 'Owner' },
    ],
    [
      'an owner who takes other data',
      ask({ jurisdictions: ['ID'] }, { policy: aPolicy({ dataJurisdictions: at('SG') }) }),
      { kind: 'ResidencyForbids', memberJurisdiction: 'ID', allowed: ['SG'], by: 'Owner' },
    ],
    [
      'an owner who takes certain data, from a job that names none',
      ask({}, { policy: aPolicy({ dataJurisdictions: at('ID') }) }),
      { kind: 'ResidencyForbids', memberJurisdiction: 'ID', allowed: ['ID'], by: 'Owner' },
    ],
    [
      'another region',
      ask({ regions: ['eu-1'] }, {}),
      { kind: 'RegionMismatch', memberRegion: 'ap-southeast-3', allowed: ['eu-1'] },
    ],
    [
      'a label the member lacks',
      ask({ memberSelector: [{ key: 'tier', operator: 'In', values: ['gold'] }] }, {}),
      { kind: 'MemberSelectorMismatch', key: 'tier' },
    ],
    [
      'a tenant the owner does not lend to',
      ask({}, { policy: aPolicy({ tenants: [tenantName('team-b')] }) }),
      { kind: 'TenantNotLentTo', tenant: 'team-a' },
    ],
    [
      'an owner who lends to no tenant',
      ask({}, { policy: aPolicy({ tenants: [] }) }),
      { kind: 'TenantNotLentTo', tenant: 'team-a' },
    ],
    [
      'an image outside the patterns',
      ask({ images: ['evil.example/x'] }, { policy: aPolicy({ imagePatterns: ['registry.example/*'] }) }),
      { kind: 'ImageNotAllowed', image: 'evil.example/x' },
    ],
    [
      'an image without digest where one is required',
      ask({}, { policy: aPolicy({ requireDigest: true }) }),
      { kind: 'ImageNotAllowed', image: 'registry.example/train:1' },
    ],
    [
      'an owner who has paused',
      ask({}, { policy: aPolicy({ state: 'Paused', message: 'back on Monday' }) }),
      { kind: 'NotLending', state: 'Paused', detail: 'back on Monday' },
    ],
    ['a member that just refused', ask({}, {}, {}, 'RecentRefusal'), { kind: 'AvoidedAfterRefusal' }],
    ['a member where an earlier run may live', ask({}, {}, {}, 'EarlierRun'), { kind: 'AvoidedEarlierRun' }],
  ])('refuse %s', (_why, got, want) => {
    expect(got).toEqual(want);
  });

  it.each([
    [
      'a jurisdiction that job, pool and owner allow',
      ask(
        { jurisdictions: ['ID', 'SG'] },
        { policy: aPolicy({ jurisdiction: jurisdiction('ID'), dataJurisdictions: at('SG') }) },
        { jurisdictions: at('ID') },
      ),
    ],
    ['a region of several', ask({ regions: ['eu-1', 'ap-southeast-3'] }, {})],
    ['a tenant of several', ask({}, { policy: aPolicy({ tenants: ['team-b', 'team-a'].map(tenantName) }) })],
    [
      'an image by digest',
      ask(
        { images: [`registry.example/x@sha256:${'0'.repeat(64)}`] },
        { policy: aPolicy({ requireDigest: true, imagePatterns: ['registry.example/*'] }) },
      ),
    ],
  ])('let %s through', (_why, got) => {
    expect(got).toBeUndefined();
  });

  it('refuse by residency a member without any certified jurisdiction, as soon as anyone names one', () => {
    const { jurisdiction: _none, ...stateless } = aMember();
    const question = { pending: pendingJob({ jurisdictions: ['ID'] }), rules: poolRules(), member: stateless };
    expect(firstRefusal(FACT_FILTERS, question)).toMatchObject({ kind: 'ResidencyForbids', memberJurisdiction: '' });
    expect(firstRefusal(FACT_FILTERS, { ...question, pending: pendingJob() })).toBeUndefined();
  });

  it('name residency before anything that the owner could change', () => {
    expect(
      ask(
        { jurisdictions: ['SG'], regions: ['eu-1'] },
        { policy: aPolicy({ state: 'Paused' }), readiness: 'Cordoned' },
      ),
    ).toMatchObject({ kind: 'ResidencyForbids' });
  });
});
