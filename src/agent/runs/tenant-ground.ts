/**
 * Makes sure that what guests of a tenant stand on exists: priority class, namespace, identity, walls. Once per tenant and
 * policy, not per run.
 *
 * Invariants: a namespace that the agent did not make is never taken over, and neither is a priority class of another value;
 * what exists and differs is brought back. Leaves out what a run itself needs (start-run.ts).
 */
import { LABELS } from '../../api/v1alpha1/labels.ts';
import type { TenantName } from '../../core/model/ids.ts';
import * as types from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isAlreadyExists } from '../../platform/kube/kube-error.ts';
import type { KubeObject, ResourceType } from '../../platform/kube/object.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type { GuestRules } from '../lending/lending-reader.ts';
import { isObject } from './template/check-template.ts';
import * as objects from './guest/tenant-objects.ts';
import type { MadeObject } from './guest/run-objects.ts';

export interface TenantGroundDeps {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly serviceAccountName?: string;
  readonly protectedCidrs: readonly string[];
  /** Throws unless this process may write now. */
  readonly assertMayAct: () => void;
}

export class TenantGround {
  private readonly deps: TenantGroundDeps;
  /** What stands, by tenant: the rules it was made by, or the work on it. */
  private readonly standing = new Map<
    TenantName,
    { readonly rules: string; readonly done: Promise<Result<void, string>> }
  >();

  constructor(deps: TenantGroundDeps) {
    this.deps = deps;
  }

  /** The error is a sentence: something of that name is not ours. Throws what the cluster answered otherwise. */
  async ensure(tenant: TenantName, rules: GuestRules): Promise<Result<void, string>> {
    const text = JSON.stringify([rules.podSecurity, rules.allowPrivateRanges, rules.allowedEgressCidrs]);
    const known = this.standing.get(tenant);
    if (known?.rules === text) return known.done;
    const entry = { rules: text, done: this.make(tenant, rules) };
    this.standing.set(tenant, entry);
    try {
      const made = await entry.done;
      if (!made.ok) this.forget(tenant, entry);
      return made;
    } catch (error) {
      this.forget(tenant, entry);
      throw error;
    }
  }

  /** The namespace is gone or going: look again next time. */
  invalidate(tenant: TenantName): void {
    this.standing.delete(tenant);
  }

  private forget(tenant: TenantName, entry: unknown): void {
    if (this.standing.get(tenant) === entry) this.standing.delete(tenant);
  }

  private async make(tenant: TenantName, rules: GuestRules): Promise<Result<void, string>> {
    const { namespace, serviceAccountName, protectedCidrs } = this.deps;
    const priority = await this.bring(types.priorityClasses, objects.priorityClassObject(), () => true);
    if (!priority.ok) return priority;
    const home = await this.bring(types.namespaces, objects.namespaceObject(tenant, rules), isOurs(tenant));
    if (!home.ok) return home;
    if (serviceAccountName !== undefined) {
      const binding = objects.roleBindingObject(tenant, { namespace, serviceAccountName });
      await this.bring(types.roleBindings, binding, () => true);
    }
    await this.bring(types.serviceAccounts, objects.serviceAccountObject(tenant), () => true);
    await this.bring(types.networkPolicies, objects.wallsObject(tenant, rules, protectedCidrs), () => true);
    return ok(undefined);
  }

  /** Creates, or patches what differs. */
  private async bring(
    type: ResourceType,
    wanted: MadeObject,
    ours: (found: KubeObject) => boolean,
  ): Promise<Result<void, string>> {
    const { client } = this.deps;
    this.deps.assertMayAct();
    try {
      await client.create(type, wanted);
      return ok(undefined);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const { name = '', namespace } = wanted.metadata;
    const ref = { type, name, ...(namespace === undefined ? {} : { namespace }) };
    const found = await client.get<MadeObject>(ref);
    if (!ours(found)) return err(`${type.kind} ${name} exists and was not made by this agent`);
    if (found.metadata.deletionTimestamp !== undefined) return err(`${type.kind} ${name} is being deleted`);
    if (type === types.priorityClasses && found['value'] !== wanted['value']) {
      const message = `has the value ${String(found['value'])} instead of ${String(wanted['value'])}`;
      return err(`PriorityClass ${name} ${message}: guests could crowd out the owner`);
    }
    if (covers(found, wanted)) return ok(undefined);
    this.deps.assertMayAct();
    await client.mergePatch(ref, { ...wanted, apiVersion: undefined, kind: undefined });
    return ok(undefined);
  }
}

function isOurs(tenant: TenantName): (found: KubeObject) => boolean {
  return ({ metadata }) => metadata.labels?.[LABELS.guest] === 'true' && metadata.labels[LABELS.tenant] === tenant;
}

/** Does `found` say everything that `wanted` says? Fields that the API server adds do not count. */
export function covers(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    // The API server drops empty lists.
    if (found === undefined) return wanted.length === 0;
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((item, index) => covers(found[index], item))
    );
  }
  if (!isObject(wanted)) return found === wanted;
  if (found === undefined) return Object.keys(wanted).length === 0;
  return isObject(found) && Object.entries(wanted).every(([name, value]) => covers(found[name], value));
}
