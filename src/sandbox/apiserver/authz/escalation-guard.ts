/**
 * Nobody hands out more than they hold: roles may only be written, and roles only bound, by users who have all their
 * permissions, or the verbs `escalate` and `bind`.
 */
import type { GuardedWrite } from '../cluster.ts';
import { objectAt, objectsAt, sameJson, stringAt } from '../json-value.ts';
import { forbidden } from '../status-error.ts';
import { type PolicyRule, readRule, ruleText, uncovered } from './policy-rule.ts';
import { isMaster, type RbacAuthorizer } from './rbac-authorizer.ts';

const GROUP = 'rbac.authorization.k8s.io';

function refuseUncovered(write: GuardedWrite, missing: readonly PolicyRule[]): void {
  if (missing.length === 0) return;
  const { user, resource, object } = write;
  const groups = user.groups.map((group) => `"${group}"`).join(' ');
  const rules = [...new Set(missing.map(ruleText))].join('\n');
  throw forbidden(
    resource,
    object.metadata.name,
    `user "${user.username}" (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${rules}`,
  );
}

function may(
  authorizer: RbacAuthorizer,
  write: GuardedWrite,
  verb: string,
  on: { plural: string; name: string },
): boolean {
  const namespace = write.object.metadata.namespace ?? '';
  const wanted = { kind: 'resource', verb, group: GROUP, resource: on.plural, namespace, name: on.name } as const;
  return authorizer.allows(write.user, wanted);
}

function guardRole(authorizer: RbacAuthorizer, write: GuardedWrite): void {
  const { object, old, resource } = write;
  if (old !== undefined && sameJson(old['rules'], object['rules'])) return;
  if (may(authorizer, write, 'escalate', { plural: resource.plural, name: object.metadata.name })) return;
  const owned = authorizer.rulesIn(write.user, object.metadata.namespace ?? '');
  refuseUncovered(write, uncovered(owned, objectsAt(object, 'rules').map(readRule)));
}

function guardBinding(authorizer: RbacAuthorizer, write: GuardedWrite): void {
  const { object, old } = write;
  if (old !== undefined && sameJson(old['subjects'], object['subjects']) && sameJson(old['roleRef'], object['roleRef']))
    return;
  const roleRef = objectAt(object, 'roleRef');
  const plural = stringAt(roleRef, 'kind') === 'Role' ? 'roles' : 'clusterroles';
  if (may(authorizer, write, 'bind', { plural, name: stringAt(roleRef, 'name') ?? '' })) return;
  const namespace = object.metadata.namespace ?? '';
  const owned = authorizer.rulesIn(write.user, namespace);
  refuseUncovered(write, uncovered(owned, authorizer.rulesOf(roleRef, namespace)));
}

/** Throws 403 for a write that would grant what its author does not hold. */
export function guardEscalation(authorizer: RbacAuthorizer, write: GuardedWrite): void {
  if (write.resource.group !== GROUP || isMaster(write.user)) return;
  if (write.resource.plural.endsWith('bindings')) guardBinding(authorizer, write);
  else guardRole(authorizer, write);
}
