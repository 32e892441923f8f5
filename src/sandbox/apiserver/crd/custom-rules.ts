/** The rules of one version of a custom resource, compiled from its schema: pruning, defaults, validation. */
import type { FieldError } from '../field-error.ts';
import type { ApiObject, JsonObject } from '../json-value.ts';
import type { CustomRules } from '../registry/resource.ts';
import { conform } from '../schema/conform.ts';
import type { ObjectNode } from '../schema/schema-node.ts';
import { BUILTIN_TYPES } from '../builtin/builtin-types.ts';
import { isObject } from '../json-value.ts';
import { compileRules, type RuleTree, runRules } from './cel-rules.ts';
import { checkUnique } from './list-uniqueness.ts';
import { defaultCustom, pruneCustom } from './prune.ts';
import { compileValidator } from './value-validation.ts';

const BLOCKING: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

const NOT_CHECKED: FieldError = {
  field: '<nil>',
  reason: 'FieldValueInvalid',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
};

const OBJECT_META = BUILTIN_TYPES.object('meta.ObjectMeta');

/** Rules see of metadata only the two names. */
function forRules(object: ApiObject): JsonObject {
  const { name, generateName } = object.metadata;
  return { ...object, metadata: { name, ...(generateName === undefined ? {} : { generateName }) } };
}

function withoutResourceFields(source: JsonObject): JsonObject {
  const properties = isObject(source['properties']) ? { ...source['properties'] } : {};
  for (const name of ['apiVersion', 'kind', 'metadata']) Reflect.deleteProperty(properties, name);
  const required = Array.isArray(source['required'])
    ? source['required'].filter((name) => name !== 'metadata' && name !== 'apiVersion' && name !== 'kind')
    : undefined;
  return { ...source, properties, ...(required === undefined ? {} : { required }) };
}

export function compileCustomRules(source: JsonObject, root: ObjectNode): CustomRules {
  const validateValues = compileValidator(withoutResourceFields(source));
  const rules: RuleTree | undefined = compileRules(root);
  return {
    prune: (object) => {
      const dropped = pruneCustom(root, object);
      if (isObject(object['metadata'])) conform(OBJECT_META, object['metadata'], 'metadata');
      return dropped;
    },
    setDefaults: (object) => {
      defaultCustom(root, object);
    },
    validate: (object, old) => {
      const errors: FieldError[] = [...validateValues(object, '')];
      checkUnique(root, object, '', errors);
      if (rules === undefined) return errors;
      if (errors.some((error) => BLOCKING.has(error.reason))) return [...errors, NOT_CHECKED];
      const before = old === undefined ? undefined : forRules(old);
      return [...errors, ...runRules(rules, forRules(object), before)];
    },
  };
}
