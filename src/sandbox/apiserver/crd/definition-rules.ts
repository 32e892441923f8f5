/**
 * What a CustomResourceDefinition must be before it is stored: names, versions, structural schemas, defaults that fit,
 * rules that compile.
 */
import { duplicate, type FieldError, invalidValue, required, unsupported } from '../field-error.ts';
import {
  type ApiObject,
  isObject,
  type Json,
  type JsonObject,
  objectAt,
  objectsAt,
  stringAt,
  stringsAt,
} from '../json-value.ts';
import type { KindRules } from '../registry/resource.ts';
import { dnsLabelProblems, dnsSubdomainProblems } from '../rest/object-meta.ts';
import { isJsonPath } from '../table/json-path.ts';
import { compileRules, RuleSyntaxError, runRules } from './cel-rules.ts';
import { compileNode, preservesUnknown } from './structural-schema.ts';
import { checkSchemaCompiles, compileValidator } from './value-validation.ts';

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

function setDefaults(definition: JsonObject): void {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  if (spec === undefined || names === undefined) return;
  const kind = stringAt(names, 'kind') ?? '';
  names['singular'] ??= kind.toLowerCase();
  names['listKind'] ??= `${kind}List`;
  spec['conversion'] ??= { strategy: 'None' };
}

function prepareCreate(definition: ApiObject): void {
  const finalizers = definition.metadata.finalizers ?? [];
  definition.metadata.finalizers = [...finalizers.filter((name) => name !== CLEANUP_FINALIZER), CLEANUP_FINALIZER];
  const stored = objectsAt(objectAt(definition, 'spec'), 'versions').find((version) => version['storage'] === true);
  definition['status'] = {
    conditions: [],
    acceptedNames: { plural: '', kind: '' },
    storedVersions: [stringAt(stored, 'name') ?? ''],
  };
}

function checkDefault(schema: JsonObject, path: string, errors: FieldError[]): void {
  const value = schema['default'];
  if (value === undefined) return;
  const { default: _default, ...rest } = schema;
  const at = `${path}.default`;
  const found = [...compileValidator(rest)(value, at)];
  // The real server checks a default as it stands, before the defaults inside it come in.
  const rules = compileRules(compileNode(rest));
  if (rules !== undefined && found.length === 0) {
    found.push(
      ...runRules(rules, value, undefined).map((e) => ({ ...e, field: e.field === '<nil>' ? at : `${at}.${e.field}` })),
    );
  }
  errors.push(...found);
}

function checkListKeys(schema: JsonObject, path: string, errors: FieldError[]): void {
  if (schema['x-kubernetes-list-type'] !== 'map') return;
  const keys = stringsAt(schema, 'x-kubernetes-list-map-keys');
  if (keys.length === 0)
    errors.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'));
  const items = objectAt(schema, 'items');
  const members = objectAt(items, 'properties');
  const needed = stringsAt(items, 'required');
  keys.forEach((key, i) => {
    const member = objectAt(members, key);
    const at = `${path}.x-kubernetes-list-map-keys[${i}]`;
    if (member === undefined) errors.push(invalidValue(at, key, 'entries must all be names of item properties'));
    else if (!needed.includes(key) && member['default'] === undefined) {
      errors.push(
        required(
          `${path}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
    }
  });
}

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

function checkType(schema: JsonObject, path: string, errors: FieldError[]): void {
  const type = stringAt(schema, 'type') ?? '';
  const free = preservesUnknown(schema) || schema['x-kubernetes-int-or-string'] === true;
  if (type === '' && !free) errors.push(required(`${path}.type`, 'must not be empty for specified object fields'));
  if (type !== '' && !TYPES.includes(type)) errors.push(unsupported(`${path}.type`, type, TYPES));
  if (type === 'array' && objectAt(schema, 'items') === undefined)
    errors.push(required(`${path}.items`, 'must be specified'));
  if (isObject(schema['additionalProperties']) && schema['properties'] !== undefined) {
    const why = 'additionalProperties and properties are mutual exclusive';
    errors.push({ field: `${path}.additionalProperties`, reason: 'FieldValueForbidden', message: `Forbidden: ${why}` });
  }
}

function checkSchema(schema: JsonObject, path: string, errors: FieldError[]): void {
  checkType(schema, path, errors);
  checkListKeys(schema, path, errors);
  checkDefault(schema, path, errors);
  for (const [name, member] of Object.entries(objectAt(schema, 'properties') ?? {})) {
    if (isObject(member)) checkSchema(member, `${path}.properties[${name}]`, errors);
  }
  const items = objectAt(schema, 'items');
  if (items !== undefined) checkSchema(items, `${path}.items`, errors);
  const values = schema['additionalProperties'];
  if (isObject(values)) checkSchema(values, `${path}.additionalProperties`, errors);
}

function checkRootSchema(version: JsonObject, path: string, errors: FieldError[]): void {
  const at = `${path}.schema.openAPIV3Schema`;
  const schema = objectAt(objectAt(version, 'schema'), 'openAPIV3Schema');
  if (schema === undefined) {
    errors.push(required(at, 'schemas are required'));
    return;
  }
  if (schema['type'] !== 'object') {
    const type = stringAt(schema, 'type');
    errors.push(
      type === undefined
        ? required(`${at}.type`, 'must not be empty at the root')
        : invalidValue(`${at}.type`, type, 'must be object at the root'),
    );
  }
  const broken = checkSchemaCompiles(schema);
  if (broken !== undefined) {
    errors.push(invalidValue(at, null, broken));
    return;
  }
  try {
    compileRules(compileNode(schema));
  } catch (error) {
    if (!(error instanceof RuleSyntaxError)) throw error;
    errors.push(
      invalidValue(`${at}.x-kubernetes-validations[].rule`, error.rule, `compilation failed: ${error.message}`),
    );
    return;
  }
  checkSchema(schema, at, errors);
}

function checkVersions(spec: JsonObject, errors: FieldError[]): void {
  const versions = objectsAt(spec, 'versions');
  const seen = new Set<Json>();
  versions.forEach((version, i) => {
    const path = `spec.versions[${i}]`;
    const name = stringAt(version, 'name') ?? '';
    if (seen.has(name)) errors.push(duplicate(`${path}.name`, name));
    seen.add(name);
    for (const problem of dnsLabelProblems(name)) errors.push(invalidValue(`${path}.name`, name, problem));
    checkRootSchema(version, path, errors);
    objectsAt(version, 'additionalPrinterColumns').forEach((column, n) => {
      const text = stringAt(column, 'jsonPath') ?? '';
      const at = `${path}.additionalPrinterColumns[${n}]`;
      if (!isJsonPath(text)) errors.push(invalidValue(`${at}.jsonPath`, text, 'is an invalid JSON path'));
      if ((stringAt(column, 'name') ?? '') === '') errors.push(required(`${at}.name`));
    });
  });
  if (versions.length === 0) errors.push(required('spec.versions', 'must have at least one version'));
  else if (versions.filter((version) => version['storage'] === true).length !== 1) {
    errors.push(
      invalidValue('spec.versions', [...versions], 'must have exactly one version marked as storage version'),
    );
  }
}

function checkNames(definition: ApiObject, spec: JsonObject, errors: FieldError[]): void {
  const names = objectAt(spec, 'names') ?? {};
  const group = stringAt(spec, 'group') ?? '';
  const plural = stringAt(names, 'plural') ?? '';
  if (group === '') errors.push(required('spec.group'));
  else for (const problem of dnsSubdomainProblems(group)) errors.push(invalidValue('spec.group', group, problem));
  if (definition.metadata.name !== `${plural}.${group}`) {
    errors.push(invalidValue('metadata.name', definition.metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  if (plural === '') errors.push(required('spec.names.plural'));
  if ((stringAt(names, 'kind') ?? '') === '') errors.push(required('spec.names.kind'));
}

function checkScope(spec: JsonObject, errors: FieldError[]): void {
  const scope = stringAt(spec, 'scope') ?? '';
  if (scope === '') errors.push(required('spec.scope'));
  else if (scope !== 'Namespaced' && scope !== 'Cluster') {
    errors.push(unsupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  }
}

function validate(definition: ApiObject, errors: FieldError[]): void {
  const spec = objectAt(definition, 'spec') ?? {};
  checkNames(definition, spec, errors);
  checkScope(spec, errors);
  checkVersions(spec, errors);
}

function validateUpdate(now: ApiObject, old: ApiObject, errors: FieldError[]): void {
  for (const field of ['group', 'scope']) {
    const value = objectAt(now, 'spec')?.[field];
    if (value !== objectAt(old, 'spec')?.[field])
      errors.push(invalidValue(`spec.${field}`, value, 'field is immutable'));
  }
}

export const DEFINITION_RULES: KindRules = { setDefaults, prepareCreate, validate, validateUpdate };
