/** RBAC kinds: defaults and what a binding may not change. Who may write them is decided in authz. */
import { type FieldError, invalidValue, required } from '../field-error.ts';
import { type ApiObject, type JsonObject, objectAt, objectsAt, sameJson, stringAt } from '../json-value.ts';
import type { KindRules } from '../registry/resource.ts';
import { fill } from './pod-template.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

function defaultBinding(binding: JsonObject): void {
  const roleRef = objectAt(binding, 'roleRef');
  if (roleRef !== undefined) fill(roleRef, { apiGroup: RBAC_GROUP });
  for (const subject of objectsAt(binding, 'subjects')) {
    if (subject['kind'] === 'User' || subject['kind'] === 'Group') fill(subject, { apiGroup: RBAC_GROUP });
  }
}

function checkBinding(binding: ApiObject, errors: FieldError[]): void {
  const roleRef = objectAt(binding, 'roleRef');
  if ((stringAt(roleRef, 'name') ?? '') === '') errors.push(required('roleRef.name'));
  objectsAt(binding, 'subjects').forEach((subject, i) => {
    if ((stringAt(subject, 'name') ?? '') === '') errors.push(required(`subjects[${i}].name`));
    if (subject['kind'] === 'ServiceAccount' && (stringAt(subject, 'namespace') ?? '') === '') {
      errors.push(required(`subjects[${i}].namespace`));
    }
  });
}

function checkBindingUpdate(now: ApiObject, old: ApiObject, errors: FieldError[]): void {
  if (!sameJson(now['roleRef'], old['roleRef']))
    errors.push(invalidValue('roleRef', now['roleRef'], 'cannot change roleRef'));
}

function checkRole(role: ApiObject, errors: FieldError[]): void {
  objectsAt(role, 'rules').forEach((rule, i) => {
    if (!Array.isArray(rule['verbs']) || rule['verbs'].length === 0) {
      errors.push(required(`rules[${i}].verbs`, 'verbs must contain at least one value'));
    }
    const plain = rule['nonResourceURLs'] !== undefined;
    if (!plain && (!Array.isArray(rule['resources']) || rule['resources'].length === 0)) {
      errors.push(required(`rules[${i}].resources`, 'resource rules must supply at least one resource'));
    }
    if (!plain && !Array.isArray(rule['apiGroups'])) {
      errors.push(required(`rules[${i}].apiGroups`, 'resource rules must supply at least one api group'));
    }
  });
}

const BINDING_RULES: KindRules = {
  setDefaults: defaultBinding,
  validate: checkBinding,
  validateUpdate: checkBindingUpdate,
};

export const ACCESS_RULES: Readonly<Record<string, KindRules>> = {
  [`${RBAC_GROUP}/roles`]: { validate: checkRole },
  [`${RBAC_GROUP}/clusterroles`]: { validate: checkRole },
  [`${RBAC_GROUP}/rolebindings`]: BINDING_RULES,
  [`${RBAC_GROUP}/clusterrolebindings`]: BINDING_RULES,
};
