/**
 * Who a request comes from: a verified client certificate, a static token, or a service account's token; then possibly
 * somebody else, by impersonation. Nothing given means anonymous; a wrong token is an error, never anonymous.
 */
import { createHash } from 'node:crypto';
import { ApiError, unauthorized } from '../status-error.ts';
import { refusal } from '../authz/access-check.ts';
import type { RbacAuthorizer } from '../authz/rbac-authorizer.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import { ANONYMOUS, type UserInfo } from './user-info.ts';

type Headers = Readonly<Record<string, string | undefined>>;

/** Tokens are looked up by digest, so that no comparison tells how much of one was right. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export class Authenticator {
  private readonly tokens: ServiceAccountTokens;
  private readonly authorizer: RbacAuthorizer;
  private readonly staticTokens = new Map<string, UserInfo>();

  constructor(deps: { readonly tokens: ServiceAccountTokens; readonly authorizer: RbacAuthorizer }) {
    this.tokens = deps.tokens;
    this.authorizer = deps.authorizer;
  }

  addToken(token: string, user: UserInfo): void {
    this.staticTokens.set(digest(token), user);
  }

  /** `undefined` when the token is nobody's. */
  userOfToken(token: string): UserInfo | undefined {
    return this.staticTokens.get(digest(token)) ?? this.tokens.verify(token)?.user;
  }

  /** `certified` is the user of a verified client certificate. Throws Unauthorized. */
  identify(headers: Headers, certified: UserInfo | undefined): UserInfo {
    const user = certified ?? this.bearer(headers['authorization']) ?? ANONYMOUS;
    return this.impersonated(headers, user);
  }

  private bearer(header: string | undefined): UserInfo | undefined {
    if (header === undefined) return undefined;
    const match = /^Bearer\s+(\S+)$/i.exec(header);
    const user = match === null ? undefined : this.userOfToken(match[1] ?? '');
    if (user === undefined) throw unauthorized();
    return user;
  }

  private impersonated(headers: Headers, user: UserInfo): UserInfo {
    const name = headers['impersonate-user'];
    const groups = headers['impersonate-group']?.split(',').map((group) => group.trim()) ?? [];
    if (name === undefined || name === '') {
      if (groups.length === 0) return user;
      throw new ApiError(500, 'InternalError', 'requested groups without impersonating a user');
    }
    this.checkImpersonation(user, 'users', name);
    for (const group of groups) this.checkImpersonation(user, 'groups', group);
    return {
      username: name,
      groups: groups.includes('system:authenticated') ? groups : [...groups, 'system:authenticated'],
    };
  }

  private checkImpersonation(user: UserInfo, resource: string, name: string): void {
    const wanted = { kind: 'resource', verb: 'impersonate', group: '', resource, namespace: '', name } as const;
    if (!this.authorizer.allows(user, wanted)) throw refusal(user, wanted);
  }
}
