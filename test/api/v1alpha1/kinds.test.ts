import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { customResourceDefinition } from '../../../src/api/crd/custom-resource-definition.ts';
import { decodeObject } from '../../../src/api/schema/kind.ts';
import { ALL_KINDS } from '../../../src/api/v1alpha1/kinds.ts';
import { crdValidator } from '../../support/crd-validator.ts';
import { API_FIXTURES, UPDATE_FIXTURES } from './api-fixtures.ts';

const validators = new Map(ALL_KINDS.map((kind) => [kind.resource.kind, crdValidator(customResourceDefinition(kind))]));
const validatorOf = (kind: string) => validators.get(kind)!;

describe('decoder and CRD', () => {
  it.each(API_FIXTURES.filter(({ refusedAt }) => refusedAt === undefined))('both accept $name', ({ kind, object }) => {
    const decoded = decodeObject(kind, object);
    expect(decoded.ok ? [] : decoded.error).toEqual([]);
    expect(validatorOf(kind.resource.kind)(object).problems).toEqual([]);
  });

  it.each(API_FIXTURES.filter(({ refusedAt }) => refusedAt !== undefined))(
    'both refuse $name',
    ({ kind, object, refusedAt }) => {
      const decoded = decodeObject(kind, object);
      expect(decoded.ok ? 'accepted' : decoded.error.map(({ path }) => path)).toContain(refusedAt);
      expect(validatorOf(kind.resource.kind)(object).accepted).toBe(false);
    },
  );

  it.each(API_FIXTURES.filter(({ refusedAt }) => refusedAt === undefined))(
    'fill in the same defaults in $name',
    ({ kind, object }) => {
      const decoded = decodeObject(kind, object);
      const stored = validatorOf(kind.resource.kind)(object).stored;
      expect(decoded.ok && decoded.value.spec).toEqual(stored['spec']);
      expect(decoded.ok && decoded.value.status).toEqual(stored['status']);
    },
  );

  it.each(API_FIXTURES.filter(({ refusedAt }) => refusedAt !== undefined))(
    'name in one sentence what is wrong with $name',
    ({ kind, object }) => {
      const decoded = decodeObject(kind, object);
      const problems = decoded.ok ? [] : decoded.error;
      expect(problems.length).toBeGreaterThan(0);
      for (const { message } of problems)
        expect(message).toMatch(
          /^(must|is required|expected|metadata|[a-zA-Z]+ (must|is|and)|exactly|each|start|Equal|values|run\.)/,
        );
    },
  );
});

describe('transition rules', () => {
  it.each(UPDATE_FIXTURES)('$name', ({ kind, before, after, accepted }) => {
    expect(validatorOf(kind.resource.kind)(after, before)).toMatchObject({ accepted });
  });
});

describe('decoding', () => {
  const kinds = ALL_KINDS.map((kind) => [kind.resource.kind, kind] as const);

  it.each(kinds)('never throws on any JSON as a %s', (_name, kind) => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (spec, status) => {
        for (const raw of [spec, { metadata: { name: 'default' }, spec, status }]) {
          const decoded = decodeObject(kind, raw);
          if (!decoded.ok) expect(decoded.error.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each(kinds)('refuses a %s of another group version or kind by path', (_name, kind) => {
    const decoded = decodeObject(kind, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'default' },
      spec: {},
    });
    expect(decoded.ok ? [] : decoded.error.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['apiVersion', 'kind']),
    );
  });

  it.each(kinds)('accepts items of a %s list that come without their type', (_name, kind) => {
    const accepted = API_FIXTURES.find((one) => one.kind === kind && one.refusedAt === undefined)!;
    const { apiVersion: _apiVersion, kind: _kind, ...bare } = accepted.object;
    expect(decodeObject(kind, bare).ok).toBe(true);
  });

  it.each(['text', 7, null, [], undefined])('refuses %j as an object', (raw) => {
    expect(decodeObject(ALL_KINDS[0]!, raw)).toEqual({
      ok: false,
      error: [{ path: '', message: 'must be an object' }],
    });
  });
});
