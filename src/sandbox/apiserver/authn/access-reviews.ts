/** Kinds that are asked rather than stored: token, access and self reviews, and tokens of service accounts. */
import type { PolicyRule } from '../authz/policy-rule.ts';
import type { Attributes } from '../authz/policy-rule.ts';
import { isMaster, type RbacAuthorizer } from '../authz/rbac-authorizer.ts';
import { type JsonObject, numberAt, objectAt, stringAt, stringsAt } from '../json-value.ts';
import { type ApiAnswer, jsonAnswer } from '../rest/api-call.ts';
import type { SubresourceCall, SubresourceHooks } from '../rest/subresource-hooks.ts';
import { timeText } from '../cluster.ts';
import { badRequest, notFound } from '../status-error.ts';
import type { Authenticator } from './authenticator.ts';
import { type BoundPod, ISSUER, type ServiceAccountTokens } from './service-account-tokens.ts';
import type { UserInfo } from './user-info.ts';

export interface ReviewDeps {
  readonly authorizer: RbacAuthorizer;
  readonly authenticator: Authenticator;
  readonly tokens: ServiceAccountTokens;
  readonly nowMs: () => number;
}

const AUTHENTICATION = 'authentication.k8s.io';
const AUTHORIZATION = 'authorization.k8s.io';

function userJson(user: UserInfo): JsonObject {
  const extra = Object.fromEntries(Object.entries(user.extra ?? {}).map(([key, values]) => [key, [...values]]));
  return {
    username: user.username,
    ...(user.uid === undefined || user.uid === '' ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(user.extra === undefined ? {} : { extra }),
  };
}

function answer(call: SubresourceCall, status: JsonObject): ApiAnswer {
  const { apiVersion, kind } = call.object;
  const { spec } = call.json();
  return jsonAnswer(201, {
    apiVersion,
    kind,
    metadata: { creationTimestamp: null },
    ...(spec === undefined ? {} : { spec }),
    status,
  });
}

function reviewToken(deps: ReviewDeps, call: SubresourceCall): ApiAnswer {
  const spec = objectAt(call.json(), 'spec');
  const token = stringAt(spec, 'token') ?? '';
  const user = deps.authenticator.userOfToken(token);
  const wanted = stringsAt(spec, 'audiences');
  const audiences = deps.tokens.verify(token)?.audiences ?? [ISSUER];
  const shared = wanted.length === 0 ? audiences : wanted.filter((audience) => audiences.includes(audience));
  if (user === undefined || shared.length === 0) {
    return answer(call, {
      authenticated: false,
      user: {},
      error: user === undefined ? 'invalid bearer token' : 'token audiences do not match',
    });
  }
  return answer(call, { authenticated: true, user: userJson(user), audiences: [...shared] });
}

function attributesOf(spec: JsonObject | undefined, namespace: string): Attributes {
  const plain = objectAt(spec, 'nonResourceAttributes');
  if (plain !== undefined)
    return { kind: 'plain', verb: stringAt(plain, 'verb') ?? '', path: stringAt(plain, 'path') ?? '' };
  const asked = objectAt(spec, 'resourceAttributes');
  if (asked === undefined) {
    throw badRequest(
      'spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  }
  const subresource = stringAt(asked, 'subresource') ?? '';
  const resource = stringAt(asked, 'resource') ?? '';
  return {
    kind: 'resource',
    verb: stringAt(asked, 'verb') ?? '',
    group: stringAt(asked, 'group') ?? '',
    resource: subresource === '' ? resource : `${resource}/${subresource}`,
    namespace: stringAt(asked, 'namespace') ?? namespace,
    name: stringAt(asked, 'name') ?? '',
  };
}

function subjectOf(spec: JsonObject | undefined): UserInfo {
  return { username: stringAt(spec, 'user') ?? '', groups: stringsAt(spec, 'groups') };
}

function reviewAccess(deps: ReviewDeps, call: SubresourceCall, user: UserInfo): ApiAnswer {
  const wanted = attributesOf(objectAt(call.json(), 'spec'), call.namespace);
  const allowed = deps.authorizer.allows(user, wanted);
  return answer(call, { allowed, ...(allowed ? { reason: 'RBAC: allowed' } : {}) });
}

function ruleJson(rule: PolicyRule): JsonObject {
  if (rule.nonResourceURLs.length > 0) return { verbs: [...rule.verbs], nonResourceURLs: [...rule.nonResourceURLs] };
  return {
    verbs: [...rule.verbs],
    apiGroups: [...rule.apiGroups],
    resources: [...rule.resources],
    ...(rule.resourceNames.length === 0 ? {} : { resourceNames: [...rule.resourceNames] }),
  };
}

const EVERYTHING: readonly JsonObject[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function reviewRules(deps: ReviewDeps, call: SubresourceCall): ApiAnswer {
  const namespace = stringAt(objectAt(call.json(), 'spec'), 'namespace') ?? '';
  const own = deps.authorizer.rulesIn(call.user, namespace).map(ruleJson);
  const rules = isMaster(call.user) ? [...EVERYTHING, ...own] : own;
  return answer(call, {
    resourceRules: rules.filter((rule) => rule['nonResourceURLs'] === undefined),
    nonResourceRules: rules.filter((rule) => rule['nonResourceURLs'] !== undefined),
    incomplete: false,
  });
}

const DEFAULT_EXPIRY_SECONDS = 3600;
const LEAST_EXPIRY_SECONDS = 600;

function boundPod(spec: JsonObject | undefined): BoundPod | undefined {
  const reference = objectAt(spec, 'boundObjectRef');
  if (reference === undefined) return undefined;
  if (reference['kind'] !== 'Pod') throw badRequest('TokenRequest.spec.boundObjectRef: only pods can be bound');
  return { name: stringAt(reference, 'name') ?? '', uid: stringAt(reference, 'uid') ?? '' };
}

function requestToken(deps: ReviewDeps, call: SubresourceCall): ApiAnswer {
  const body = call.json();
  const spec = objectAt(body, 'spec');
  const seconds = numberAt(spec, 'expirationSeconds') ?? DEFAULT_EXPIRY_SECONDS;
  if (seconds < LEAST_EXPIRY_SECONDS) {
    throw badRequest(
      `spec.expirationSeconds: Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
    );
  }
  const { namespace = '', name, uid = '' } = call.object.metadata;
  if (uid === '') throw notFound({ group: '', plural: 'serviceaccounts' }, name);
  const asked = stringsAt(spec, 'audiences');
  const audiences = asked.length === 0 ? [ISSUER] : asked;
  const pod = boundPod(spec);
  const token = deps.tokens.issue({ namespace, name, uid }, { audiences, expirySeconds: seconds, pod });
  return jsonAnswer(201, {
    kind: 'TokenRequest',
    apiVersion: `${AUTHENTICATION}/v1`,
    metadata: { name, namespace, creationTimestamp: timeText(deps.nowMs()) },
    spec: { ...spec, audiences: [...audiences], expirationSeconds: seconds },
    status: { token, expirationTimestamp: timeText(deps.nowMs() + seconds * 1000) },
  });
}

export function registerReviews(deps: ReviewDeps, hooks: SubresourceHooks): void {
  const asked = (group: string, resource: string, handler: (call: SubresourceCall) => ApiAnswer): void => {
    hooks.register({ group, resource, subresource: '' }, handler);
  };
  asked(AUTHENTICATION, 'tokenreviews', (call) => reviewToken(deps, call));
  asked(AUTHENTICATION, 'selfsubjectreviews', (call) => answer(call, { userInfo: userJson(call.user) }));
  asked(AUTHORIZATION, 'selfsubjectaccessreviews', (call) => reviewAccess(deps, call, call.user));
  asked(AUTHORIZATION, 'selfsubjectrulesreviews', (call) => reviewRules(deps, call));
  for (const plural of ['subjectaccessreviews', 'localsubjectaccessreviews']) {
    asked(AUTHORIZATION, plural, (call) => reviewAccess(deps, call, subjectOf(objectAt(call.json(), 'spec'))));
  }
  hooks.register({ group: '', resource: 'serviceaccounts', subresource: 'token' }, (call) => requestToken(deps, call));
}
