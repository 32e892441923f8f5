/** Puts authentication and authorization together for one cluster. */
import { registerReviews } from './authn/access-reviews.ts';
import { Authenticator } from './authn/authenticator.ts';
import { ServiceAccountTokens } from './authn/service-account-tokens.ts';
import { createBootstrapRoles } from './authz/bootstrap-roles.ts';
import { guardEscalation } from './authz/escalation-guard.ts';
import { RbacAuthorizer } from './authz/rbac-authorizer.ts';
import type { Cluster } from './cluster.ts';
import type { SubresourceHooks } from './rest/subresource-hooks.ts';

export interface Access {
  readonly authorizer: RbacAuthorizer;
  readonly authenticator: Authenticator;
  readonly tokens: ServiceAccountTokens;
}

/** Also creates the bootstrap roles; the default namespaces must exist. */
export function createAccess(cluster: Cluster, hooks: SubresourceHooks): Access {
  const authorizer = new RbacAuthorizer(cluster);
  cluster.store.subscribe(authorizer.onChange);
  const tokens = new ServiceAccountTokens(cluster);
  const authenticator = new Authenticator({ tokens, authorizer });
  registerReviews({ authorizer, authenticator, tokens, nowMs: () => cluster.clock.nowMs() }, hooks);
  createBootstrapRoles(cluster);
  cluster.guards.push((write) => {
    guardEscalation(authorizer, write);
  });
  return { authorizer, authenticator, tokens };
}
