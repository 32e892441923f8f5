/**
 * The reference page of a kind in Markdown: what kubectl shows, every field with type, default, what is allowed and what it
 * means, and every rule that spans fields. Made from the CRD alone, so that the page cannot say what a cluster does not do.
 */
import type { CustomResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import type { StructuralSchema } from '../../src/api/crd/structural-schema.ts';

interface Row {
  readonly path: string;
  readonly schema: StructuralSchema;
  readonly required: boolean;
}

interface Rule {
  readonly path: string;
  readonly message: string;
}

function rows(schema: StructuralSchema, path: string): readonly Row[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const at = path === '' ? name : `${path}.${name}`;
    return [{ path: at, schema: child, required: required.has(name) }, ...below(child, at)];
  });
}

function below(schema: StructuralSchema, path: string): readonly Row[] {
  if (schema.items !== undefined) return rows(schema.items, `${path}[]`);
  return rows(schema, path);
}

function isScalar(schema: StructuralSchema): boolean {
  return schema.type !== 'array' && schema.type !== 'object';
}

function rules(schema: StructuralSchema, path: string): readonly Rule[] {
  // Rules of scalars stand in the table already.
  const own = isScalar(schema)
    ? []
    : (schema['x-kubernetes-validations'] ?? []).map(({ message }) => ({ path, message }));
  const items = schema.items === undefined ? [] : rules(schema.items, `${path}[]`);
  const values = schema.additionalProperties === undefined ? [] : rules(schema.additionalProperties, `${path}.*`);
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    rules(child, path === '' ? name : `${path}.${name}`),
  );
  return [...own, ...items, ...values, ...fields];
}

function typeName(schema: StructuralSchema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'integer or string';
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'anything' : typeName(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map of ${typeName(schema.additionalProperties)}`;
  if (schema.format === 'date-time') return 'time';
  return schema.type ?? 'anything';
}

function range(low: number | undefined, high: number | undefined, unit: string): string {
  if (low !== undefined && high !== undefined)
    return low === high ? `exactly ${String(low)}${unit}` : `${String(low)} to ${String(high)}${unit}`;
  if (high !== undefined) return `at most ${String(high)}${unit}`;
  return low === undefined ? '' : `at least ${String(low)}${unit}`;
}

function listWords(schema: StructuralSchema): string {
  const type = schema['x-kubernetes-list-type'];
  if (type === 'set') return 'no repetitions';
  if (type === 'map') return `one per \`${(schema['x-kubernetes-list-map-keys'] ?? []).join('`, `')}\``;
  return '';
}

function allowed(schema: StructuralSchema): string {
  const parts = [
    schema.enum === undefined ? '' : schema.enum.map((value) => `\`${value}\``).join(', '),
    range(schema.minimum, schema.maximum, ''),
    range(schema.minLength, schema.maxLength, ' characters'),
    range(schema.minItems, schema.maxItems, ' items'),
    schema.maxProperties === undefined ? '' : `at most ${String(schema.maxProperties)} entries`,
    listWords(schema),
    schema.pattern === undefined ? '' : `\`${schema.pattern}\``,
    ...(isScalar(schema) ? (schema['x-kubernetes-validations'] ?? []).map(({ message }) => message) : []),
    schema['x-kubernetes-preserve-unknown-fields'] === true ? 'further fields are kept' : '',
  ];
  return parts.filter((part) => part !== '').join('; ');
}

function defaultText(row: Row): string {
  if (row.schema.default !== undefined) return `\`${JSON.stringify(row.schema.default)}\``;
  return row.required ? '**required**' : '';
}

/** A pipe ends a cell even in code. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function table(part: StructuralSchema | undefined, path: string): readonly string[] {
  if (part === undefined) return [];
  const lines = rows(part, path).map((row) =>
    [
      '',
      `\`${row.path}\``,
      typeName(row.schema),
      defaultText(row),
      allowed(row.schema),
      row.schema.description ?? '',
      '',
    ]
      .map(cell)
      .join(' | ')
      .trim(),
  );
  return ['| field | type | default | allowed | meaning |', '|---|---|---|---|---|', ...lines];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`## ${title}`, '', ...lines, ''];
}

function part(schema: StructuralSchema, name: 'spec' | 'status'): readonly string[] {
  const found = schema.properties?.[name];
  return section(name, found === undefined ? [] : [found.description ?? '', '', ...table(found, name)]);
}

function identity(crd: CustomResourceDefinition, livesOn: 'hub' | 'member'): string {
  const { names, scope, group, versions } = crd.spec;
  const code = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(', ');
  const where = scope === 'Cluster' ? 'cluster-scoped' : 'namespaced';
  return [
    `${code([`${group}/${versions[0]?.name ?? ''}`])}, ${where}, on the ${livesOn}.`,
    `Plural ${code([names.plural])}, short name ${code(names.shortNames)}, category ${code(names.categories)}.`,
  ].join(' ');
}

/** The page, ending with a newline. */
export function referencePage(crd: CustomResourceDefinition, livesOn: 'hub' | 'member'): string {
  const { names, versions } = crd.spec;
  const version = versions[0];
  if (version === undefined) throw new Error(`${names.kind} has no version`);
  const schema = version.schema.openAPIV3Schema;
  const columns = version.additionalPrinterColumns.map(({ name, description, priority }) => {
    const wide = (priority ?? 0) > 0 ? ' Only with `-o wide`.' : '';
    return `| ${name.toUpperCase()} | ${description}${wide} |`;
  });
  const rulesOfKind = rules(schema, '').map(
    ({ path, message }) => `- \`${path === '' ? names.kind : path}\`: ${message}`,
  );
  return [
    '<!-- Generated by `npm run generate` from src/api. Do not edit. -->',
    `# ${names.kind}`,
    '',
    schema.description ?? '',
    '',
    identity(crd, livesOn),
    '',
    ...section('kubectl get', ['| column | shows |', '|---|---|', ...columns]),
    ...part(schema, 'spec'),
    ...part(schema, 'status'),
    ...section('Rules that span fields', rulesOfKind),
  ].join('\n');
}
