import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compileCustomRules } from '../../../../src/sandbox/apiserver/crd/custom-rules.ts';
import { DEFINITION_RULES } from '../../../../src/sandbox/apiserver/crd/definition-rules.ts';
import { compileRoot } from '../../../../src/sandbox/apiserver/crd/structural-schema.ts';
import type { FieldError } from '../../../../src/sandbox/apiserver/field-error.ts';
import { type ApiObject, cloneJson, type JsonObject } from '../../../../src/sandbox/apiserver/json-value.ts';

function rulesOf(spec: JsonObject) {
  const source = { type: 'object', properties: { spec } };
  return compileCustomRules(source, compileRoot(source));
}

const object = (spec: unknown): ApiObject => ({
  apiVersion: 'e/v1',
  kind: 'E',
  metadata: { name: 'e' },
  spec: spec as JsonObject,
});

function verdict(schema: JsonObject, spec: unknown, old?: unknown): string[] {
  const errors = rulesOf(schema).validate(object(spec), old === undefined ? undefined : object(old));
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

const ruled = (rule: string, properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  'x-kubernetes-validations': [{ rule, message: 'no', ...more }],
});

describe('validation rules', () => {
  const int = { type: 'integer' };
  const text = { type: 'string' };
  it.each([
    ['integers', 'self.a + 1 == self.b', { a: int, b: int }, { a: 1, b: 2 }, { a: 1, b: 3 }],
    ['doubles', 'self.a * 2.0 <= 1.0', { a: { type: 'number' } }, { a: 0.5 }, { a: 1 }],
    ['absent members', '!has(self.a) || self.a > 1', { a: int }, {}, { a: 1 }],
    [
      'lists',
      'self.l.all(x, x.n != "" && self.l.exists_one(y, y.n == x.n))',
      { l: { type: 'array', items: { type: 'object', properties: { n: text } } } },
      { l: [{ n: 'a' }] },
      { l: [{ n: 'a' }, { n: 'a' }] },
    ],
    [
      'maps',
      'self.m.all(k, self.m[k].startsWith(k))',
      { m: { type: 'object', additionalProperties: text } },
      { m: { a: 'ab' } },
      { m: { a: 'b' } },
    ],
    ['durations as text', 'duration(self.d).getSeconds() >= 60', { d: text }, { d: '1m' }, { d: '59s' }],
    [
      'durations by format',
      "self.d >= duration('1m')",
      { d: { type: 'string', format: 'duration' } },
      { d: '60s' },
      { d: '1s' },
    ],
    [
      'times',
      "self.t > timestamp('2026-01-01T00:00:00Z')",
      { t: { type: 'string', format: 'date-time' } },
      { t: '2026-02-01T00:00:00Z' },
      { t: '2025-01-01T00:00:00Z' },
    ],
    ['quantities', "quantity(self.q).isLessThan(quantity('2Gi'))", { q: text }, { q: '1Gi' }, { q: '3Gi' }],
    [
      'ints or strings',
      'type(self.x) == int ? self.x > 0 : self.x.endsWith("%")',
      { x: { 'x-kubernetes-int-or-string': true } },
      { x: '5%' },
      { x: 0 },
    ],
    ['sorted lists', 'self.l.isSorted()', { l: { type: 'array', items: int } }, { l: [1, 2] }, { l: [2, 1] }],
    ['sums', 'self.l.sum() < 10', { l: { type: 'array', items: int } }, { l: [4, 5] }, { l: [5, 5] }],
    ['reserved words', 'self.__namespace__ == "x"', { namespace: text }, { namespace: 'x' }, { namespace: 'y' }],
    ['names with dashes', 'self.a__dash__b == 1', { 'a-b': int }, { 'a-b': 1 }, { 'a-b': 2 }],
  ])('see %s', (...row) => {
    const [, rule, properties, good, bad] = row;
    const schema = ruled(rule, properties);
    expect(verdict(schema, good)).toEqual([]);
    expect(verdict(schema, bad)).toEqual(['spec: Invalid value: no']);
  });

  it('blame the path and reason they name', () => {
    const schema = ruled('self.a > 1', { a: int }, { fieldPath: '.a', reason: 'FieldValueForbidden' });
    expect(verdict(schema, { a: 1 })).toEqual(['spec.a: Forbidden: no']);
  });

  it('compute messages, and fall back when they cannot', () => {
    const rule = { messageExpression: "'a is ' + string(self.a)" };
    expect(verdict(ruled('self.a > 1', { a: int }, rule), { a: 1 })).toEqual(['spec: Invalid value: a is 1']);
    const broken = { messageExpression: 'string(self.gone)' };
    expect(verdict(ruled('self.a > 1', { a: int }, broken), { a: 1 })).toEqual(['spec: Invalid value: no']);
  });

  it('match old items by key in keyed lists, and not at all in others', () => {
    const items: JsonObject = { ...ruled('self.v >= oldSelf.v', { n: text, v: int }), required: ['n'] };
    const keyed: JsonObject = {
      type: 'object',
      properties: { l: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'], items } },
    };
    const plain: JsonObject = { type: 'object', properties: { l: { type: 'array', items } } };
    const before = {
      l: [
        { n: 'a', v: 2 },
        { n: 'b', v: 1 },
      ],
    };
    const after = {
      l: [
        { n: 'b', v: 1 },
        { n: 'c', v: 0 },
        { n: 'a', v: 1 },
      ],
    };
    expect(verdict(keyed, after, before)).toEqual(['spec.l[2]: Invalid value: no']);
    expect(verdict(plain, after, before)).toEqual([]);
  });

  it('see an absent old value as an empty optional when they ask for one', () => {
    const schema = ruled('!oldSelf.hasValue() || self.a >= oldSelf.value().a', { a: int }, { optionalOldSelf: true });
    expect(verdict(schema, { a: 1 })).toEqual([]);
    expect(verdict(schema, { a: 1 }, { a: 2 })).toEqual(['spec: Invalid value: no']);
  });

  it('do not judge again what an update left alone', () => {
    const schema: JsonObject = { type: 'object', properties: { bad: ruled('self.a > 1', { a: int }), other: int } };
    expect(verdict(schema, { bad: { a: 0 }, other: 2 }, { bad: { a: 0 }, other: 1 })).toEqual([]);
    expect(verdict(schema, { bad: { a: -1 } }, { bad: { a: 0 } })).toHaveLength(1);
  });

  it('wait until the object has the right shape', () => {
    const messages = verdict(ruled('self.a > 1', { a: int }), { a: 'x' });
    expect(messages).toHaveLength(2);
    expect(messages[1]).toContain('some validation rules were not checked because the object was invalid');
  });
});

describe('pruning and defaults', () => {
  it('fill defaults at every depth, drop unknown members and nulls that may not be', () => {
    const rules = rulesOf({
      type: 'object',
      default: {},
      properties: {
        a: {
          type: 'object',
          default: { x: 1 },
          properties: { x: { type: 'integer' }, y: { type: 'integer', default: 2 } },
        },
        n: { type: 'string', nullable: true, default: 'd' },
        m: { type: 'string', default: 'd' },
        p: { type: 'string' },
        list: { type: 'array', items: { type: 'object', properties: { z: { type: 'integer', default: 9 } } } },
      },
    });
    const body: JsonObject = { spec: { n: null, m: null, p: null, junk: 1, list: [{}, { z: 1, junk: 2 }] } };
    expect(rules.prune(body)).toEqual(['spec.junk', 'spec.list[1].junk']);
    rules.setDefaults(body);
    expect(body).toEqual({ spec: { a: { x: 1, y: 2 }, n: null, m: 'd', list: [{ z: 9 }, { z: 1 }] } });
    const again = cloneJson(body);
    rules.setDefaults(again);
    expect(again).toEqual(body);
  });

  it('keep what must be preserved, yet prune where the schema speaks below', () => {
    const rules = rulesOf({
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { known: { type: 'object', properties: { a: { type: 'integer' } } } },
    });
    const body: JsonObject = { spec: { free: { any: 1 }, known: { a: 1, b: 2 } } };
    rules.prune(body);
    expect(body).toEqual({ spec: { free: { any: 1 }, known: { a: 1 } } });
  });

  it('keep the identity of embedded resources', () => {
    const rules = rulesOf({
      type: 'object',
      properties: {
        t: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
      },
    });
    const body: JsonObject = {
      spec: { t: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: {}, junk: 1 } },
    };
    rules.prune(body);
    expect(body).toEqual({ spec: { t: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: {} } } });
  });
});

describe('definitions', () => {
  const definition = (openAPIV3Schema: JsonObject): ApiObject => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'es.e.com' },
    spec: {
      group: 'e.com',
      scope: 'Namespaced',
      names: { plural: 'es', kind: 'E' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  });
  const problems = (schema: JsonObject): string[] => {
    const errors: FieldError[] = [];
    DEFINITION_RULES.validate?.(definition(schema), errors);
    return errors.map(
      ({ field, message }) => `${field.replace('spec.versions[0].schema.openAPIV3Schema', '…')}: ${message}`,
    );
  };

  it.each([
    ['a member without a type', { type: 'object', properties: { a: {} } }, '….properties[a].type: Required value'],
    ['a root that is no object', { type: 'string' }, '….type: Invalid value: "string": must be object at the root'],
    [
      'a pattern that is none',
      { type: 'object', properties: { a: { type: 'string', pattern: '(' } } },
      '…: Invalid value',
    ],
    [
      'a map list without keys',
      {
        type: 'object',
        properties: { a: { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } } },
      },
      '….properties[a].x-kubernetes-list-map-keys: Required value',
    ],
    [
      'a key that may be absent',
      {
        type: 'object',
        properties: {
          a: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['n'],
            items: { type: 'object', properties: { n: { type: 'string' } } },
          },
        },
      },
      '….properties[a].items.properties[n].default: Required value',
    ],
    [
      'a default of the wrong type',
      { type: 'object', properties: { a: { type: 'integer', default: 'x' } } },
      '….properties[a].default: Invalid value',
    ],
    [
      'a default that its rule refuses before inner defaults come in',
      {
        type: 'object',
        properties: {
          a: {
            type: 'object',
            default: {},
            properties: { x: { type: 'integer', default: 1 } },
            'x-kubernetes-validations': [{ rule: 'self.x > 0' }],
          },
        },
      },
      '….properties[a].default',
    ],
  ])('are refused for %s', (_what, schema, want) => {
    expect(problems(schema as JsonObject).join('\n')).toContain(want);
  });

  it('of this repository are all accepted', () => {
    const directory = path.join(import.meta.dirname, '..', '..', '..', '..', 'crds');
    for (const file of readdirSync(directory)) {
      const errors: FieldError[] = [];
      DEFINITION_RULES.validate?.(parse(readFileSync(path.join(directory, file), 'utf8')) as ApiObject, errors);
      expect([file, errors]).toEqual([file, []]);
    }
  });
});
