/**
 * Role-based access: finds the rules that bindings give a user and asks them. `system:masters` may do everything.
 * Rules of a user are compiled once and forgotten whenever any role or binding changes.
 */
import type { UserInfo } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import { type ApiObject, type JsonObject, objectAt, objectsAt, stringAt } from '../json-value.ts';
import { resourceKey, type StoreChange } from '../storage/object-store.ts';
import { type Attributes, type PolicyRule, readRule, ruleAllows } from './policy-rule.ts';

const GROUP = 'rbac.authorization.k8s.io';
const ROLES = resourceKey(GROUP, 'roles');
const CLUSTER_ROLES = resourceKey(GROUP, 'clusterroles');
const ROLE_BINDINGS = resourceKey(GROUP, 'rolebindings');
const CLUSTER_ROLE_BINDINGS = resourceKey(GROUP, 'clusterrolebindings');

/** A rule and where it holds; namespace undefined = everywhere. */
export interface Grant {
  readonly namespace: string | undefined;
  readonly rule: PolicyRule;
}

const MAX_CACHED_USERS = 1000;

export function isMaster(user: UserInfo): boolean {
  return user.groups.includes('system:masters');
}

function appliesTo(subject: JsonObject, user: UserInfo, bindingNamespace: string): boolean {
  const name = stringAt(subject, 'name') ?? '';
  switch (stringAt(subject, 'kind') ?? '') {
    case 'User':
      return user.username === name;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount': {
      const namespace = stringAt(subject, 'namespace') ?? bindingNamespace;
      return user.username === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}

export class RbacAuthorizer {
  private readonly cluster: Cluster;
  private readonly grants = new Map<string, readonly Grant[]>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  readonly onChange = (change: StoreChange): void => {
    if (change.resource.startsWith(`${GROUP}/`)) this.grants.clear();
  };

  forget(): void {
    this.grants.clear();
  }

  allows(user: UserInfo, wanted: Attributes): boolean {
    if (isMaster(user)) return true;
    return this.grantsOf(user).some(
      ({ namespace, rule }) =>
        (namespace === undefined || (wanted.kind === 'resource' && wanted.namespace === namespace)) &&
        ruleAllows(rule, wanted),
    );
  }

  /** Rules that hold in a namespace; '' for those that hold everywhere. */
  rulesIn(user: UserInfo, namespace: string): PolicyRule[] {
    return this.grantsOf(user)
      .filter((grant) => grant.namespace === undefined || grant.namespace === namespace)
      .map((grant) => grant.rule);
  }

  /** The rules of the role that a binding refers to; none when it does not exist. */
  rulesOf(roleRef: JsonObject | undefined, namespace: string): PolicyRule[] {
    const name = stringAt(roleRef, 'name') ?? '';
    const cluster = stringAt(roleRef, 'kind') !== 'Role';
    const role = this.cluster.store.get(cluster ? CLUSTER_ROLES : ROLES, cluster ? '' : namespace, name);
    return role === undefined ? [] : objectsAt(role, 'rules').map(readRule);
  }

  private grantsOf(user: UserInfo): readonly Grant[] {
    const key = JSON.stringify([user.username, user.groups]);
    const known = this.grants.get(key);
    if (known !== undefined) return known;
    const found = [
      ...this.granted(user, CLUSTER_ROLE_BINDINGS, () => undefined),
      ...this.granted(user, ROLE_BINDINGS, (binding) => binding.metadata.namespace),
    ];
    if (this.grants.size >= MAX_CACHED_USERS) this.grants.clear();
    this.grants.set(key, found);
    return found;
  }

  private granted(user: UserInfo, bindings: string, namespaceOf: (binding: ApiObject) => string | undefined): Grant[] {
    const found: Grant[] = [];
    for (const binding of this.cluster.store.values(bindings)) {
      const namespace = namespaceOf(binding);
      if (!objectsAt(binding, 'subjects').some((subject) => appliesTo(subject, user, namespace ?? ''))) continue;
      for (const rule of this.rulesOf(objectAt(binding, 'roleRef'), namespace ?? '')) found.push({ namespace, rule });
    }
    return found;
  }
}
