/** Asks the authorizer about requests, and words its refusals as the real server does. */
import { isMaster, type RbacAuthorizer } from './rbac-authorizer.ts';
import type { Attributes } from './policy-rule.ts';
import type { UserInfo } from '../authn/user-info.ts';
import type { ApiCall } from '../rest/api-call.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { ApiError, forbidden } from '../status-error.ts';

/** What a request wants, as rules are asked. */
export function attributesOf(info: RequestInfo): Attributes {
  if (info.kind === 'plain') return { kind: 'plain', verb: info.verb, path: info.path };
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
  const { verb, group, namespace, name } = info;
  return { kind: 'resource', verb, group, resource, namespace, name };
}

export function refusal(user: UserInfo, wanted: Attributes): ApiError {
  if (wanted.kind === 'plain') {
    const text = `forbidden: User "${user.username}" cannot ${wanted.verb} path "${wanted.path}"`;
    return new ApiError(403, 'Forbidden', text, {});
  }
  const { verb, group, resource, namespace, name } = wanted;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const why = `User "${user.username}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  return forbidden({ group, plural: resource.split('/')[0] ?? resource }, name, why);
}

/** Throws 403 unless the caller may. */
export function checkAccess(authorizer: RbacAuthorizer, call: ApiCall, info: RequestInfo): void {
  if (isMaster(call.user)) return;
  const wanted = attributesOf(info);
  // `namespaces/x` is authorized at x for its own sake, but cluster-wide rights count as well (rulesIn covers both).
  if (!authorizer.allows(call.user, wanted)) throw refusal(call.user, wanted);
}
