/** The generated files say what the schemas say, and what is generated keeps the rules of good CRDs. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { apiFiles, protocolFiles, staleFiles } from '../../scripts/generate/generated-files.ts';
import {
  customResourceDefinition,
  type CustomResourceDefinition,
} from '../../src/api/crd/custom-resource-definition.ts';
import type { StructuralSchema } from '../../src/api/crd/structural-schema.ts';
import { decodeObject } from '../../src/api/schema/kind.ts';
import { ALL_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import { crdValidator } from '../support/crd-validator.ts';

const root = resolve(import.meta.dirname, '../..');
const crds = ALL_KINDS.map((kind) => [kind.resource.kind, customResourceDefinition(kind)] as const);

interface Node {
  readonly path: string;
  readonly schema: StructuralSchema;
  /** How many values of this schema one object can have at most. */
  readonly atMost: number;
}

function nodes(schema: StructuralSchema, path: string, atMost = 1): Node[] {
  const children = Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    nodes(child, `${path}.${name}`, atMost),
  );
  const items =
    schema.items === undefined ? [] : nodes(schema.items, `${path}[]`, atMost * (schema.maxItems ?? Infinity));
  const values =
    schema.additionalProperties === undefined
      ? []
      : nodes(schema.additionalProperties, `${path}.*`, atMost * (schema.maxProperties ?? Infinity));
  return [{ path, schema, atMost }, ...children, ...items, ...values];
}

function allNodes(crd: CustomResourceDefinition): Node[] {
  const schema = crd.spec.versions[0]!.schema.openAPIV3Schema;
  return (['spec', 'status'] as const).flatMap((part) => nodes(schema.properties![part]!, part));
}

describe('generated files', () => {
  const files = new Map([...apiFiles(), ...protocolFiles(root)]);

  it.each([...files.keys()])('%s is what `npm run generate` makes now', (path) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(files.get(path));
  });

  it('have no stale ones beside them', () => {
    expect(staleFiles(root, files)).toEqual([]);
  });

  it.each(crds)('the CRD of %s reads back from YAML as it was', (_kind, crd) => {
    const text = readFileSync(join(root, 'crds', `${crd.spec.names.plural}.yaml`), 'utf8');
    // Readers of YAML 1.1, such as kubectl's, must see the same: `y` and `no` are strings.
    for (const version of ['1.1', '1.2'] as const) {
      expect(parseAllDocuments(text, { version })[0]?.toJSON()).toEqual(JSON.parse(JSON.stringify(crd)));
    }
  });
});

describe.each(crds)('the CRD of %s', (kind, crd) => {
  const all = allNodes(crd);
  const fields = all.filter(({ path }) => !path.endsWith('.*'));

  it('describes every field', () => {
    expect(fields.filter(({ schema }) => (schema.description ?? '').length < 5).map(({ path }) => path)).toEqual([]);
  });

  it('says the unit of every number that has one', () => {
    const united = fields.filter(({ path }) => /Seconds$|Percent$|Bytes$|Ms$/.test(path));
    expect(
      united
        .filter(({ schema }) => !/second|percent|byte|milli/i.test(schema.description ?? ''))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it('has no anyOf but int-or-string', () => {
    expect(
      all.filter(({ schema }) => schema.anyOf !== undefined && schema['x-kubernetes-int-or-string'] !== true),
    ).toEqual([]);
    expect(JSON.stringify(crd)).not.toMatch(/"(oneOf|allOf|not|const|\$ref|nullable)":/);
  });

  it('bounds every list, map, text and number', () => {
    const unbounded = all.filter(({ schema }) => {
      if (schema['x-kubernetes-int-or-string'] === true) return schema.pattern === undefined;
      if (schema.type === 'array') return schema.maxItems === undefined;
      if (schema.type === 'string') return schema.maxLength === undefined && schema.enum === undefined;
      if (schema.type === 'integer') return schema.minimum === undefined || schema.maximum === undefined;
      return schema.additionalProperties !== undefined && schema.maxProperties === undefined;
    });
    expect(unbounded.map(({ path }) => path)).toEqual([]);
  });

  it('keeps the evaluations of rules per object in the thousands', () => {
    const evaluations = all.reduce(
      (sum, { schema, atMost }) => sum + atMost * (schema['x-kubernetes-validations'] ?? []).length,
      0,
    );
    expect(evaluations).toBeLessThan(2000);
  });

  it('types every list, and every map list names a required key', () => {
    for (const { path, schema } of all.filter((node) => node.schema.type === 'array')) {
      expect([path, schema['x-kubernetes-list-type']]).toEqual([path, expect.stringMatching(/^(atomic|set|map)$/)]);
      for (const key of schema['x-kubernetes-list-map-keys'] ?? []) expect(schema.items?.required).toContain(key);
    }
  });

  it('gives a default to every object whose rules or fields need one', () => {
    const objects = all.filter(
      ({ schema, path }) => schema.type === 'object' && path.includes('.') && !path.includes('[]'),
    );
    for (const { path, schema } of objects.filter((node) => node.schema.default !== undefined)) {
      // A default must be complete: rules run before the defaults of the fields inside are filled in.
      const defaulted = Object.entries(schema.properties ?? {}).filter(([, child]) => child.default !== undefined);
      for (const [name, child] of defaulted) {
        expect([path, name, (schema.default as Record<string, unknown>)[name]]).toEqual([path, name, child.default]);
      }
    }
  });

  it('shows columns that exist in the schema', () => {
    const paths = new Set(all.map(({ path }) => path));
    for (const { jsonPath } of crd.spec.versions[0]!.additionalPrinterColumns) {
      const plain = jsonPath.replace(/\[\?\(@\.type=="[A-Za-z]+"\)\]/, '[]').slice(1);
      expect(plain === 'metadata.creationTimestamp' || paths.has(plain) ? '' : jsonPath).toBe('');
    }
  });

  it('is documented field by field', () => {
    const page = readFileSync(join(root, 'docs/reference', `${crd.spec.names.singular}.md`), 'utf8');
    expect(page).toContain(`# ${kind}`);
    const missing = fields.filter(
      ({ path }) => path.includes('.') && !path.endsWith('[]') && !path.includes('.*') && !page.includes(`\`${path}\``),
    );
    expect(missing.map(({ path }) => path)).toEqual([]);
  });
});

describe('the kinds together', () => {
  it('have distinct plurals and short names', () => {
    const names = crds.flatMap(([, { spec }]) => [spec.names.plural, spec.names.singular, ...spec.names.shortNames]);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('samples', () => {
  const folder = join(root, 'manifests/samples');
  const documents = readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document, index) => ({
        name: `${file} #${index + 1}`,
        errors: document.errors,
        object: document.toJSON() as Record<string, unknown> | null,
      })),
    );
  const ours = documents.filter(({ object }) => object?.['apiVersion'] === 'lumbung.dev/v1alpha1');

  it('exist and are YAML', () => {
    expect(ours.length).toBeGreaterThan(0);
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  });

  it.each(ours)('$name is accepted and has no field that would be pruned', ({ object }) => {
    const kind = ALL_KINDS.find((one) => one.resource.kind === object!['kind'])!;
    const decoded = decodeObject(kind, object);
    expect(decoded.ok ? [] : decoded.error).toEqual([]);
    const verdict = crdValidator(customResourceDefinition(kind))(object);
    expect(verdict.problems).toEqual([]);
    expect(verdict.stored).toMatchObject(object!);
  });
});
