import { describe, expect, it } from 'vitest';
import { covers, TenantGround } from '../../../src/agent/runs/tenant-ground.ts';
import { tenantName } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import {
  namespaces,
  networkPolicies,
  priorityClasses,
  roleBindings,
  serviceAccounts,
} from '../../../src/platform/kube/builtin-resources.ts';
import { FakeKube, lostConnection } from '../../support/fake-kube.ts';
import { RULES } from '../../support/keeper-rig.ts';

const tenant = tenantName('team-a');

function aRig(): { readonly kube: FakeKube; readonly ground: TenantGround; readonly again: () => TenantGround } {
  const kube = new FakeKube(new VirtualClock());
  const make = (): TenantGround =>
    new TenantGround({
      client: kube.client(),
      namespace: 'lumbung-system',
      serviceAccountName: 'agent',
      protectedCidrs: [],
      assertMayAct: () => undefined,
    });
  return { kube, ground: make(), again: make };
}

describe('the ground of a tenant', () => {
  it('is made once however many ask, and found by the next process without a write', async () => {
    const { kube, ground, again } = aRig();
    await Promise.all([ground.ensure(tenant, RULES), ground.ensure(tenant, RULES), ground.ensure(tenant, RULES)]);
    expect(kube.writeLines).toEqual([
      'create priorityclasses',
      'create namespaces',
      'create rolebindings',
      'create serviceaccounts',
      'create networkpolicies',
    ]);
    const before = kube.writes.filter((call) => call.verb === 'patch').length;
    await again().ensure(tenant, RULES);
    expect(kube.writes.filter((call) => call.verb === 'patch')).toHaveLength(before);
    expect(kube.all(roleBindings)).toHaveLength(1);
    expect(kube.all(serviceAccounts)).toHaveLength(1);
  });

  it('follows the policy, and is brought back where somebody changed it', async () => {
    const { kube, ground, again } = aRig();
    await ground.ensure(tenant, RULES);
    await ground.ensure(tenant, { ...RULES, podSecurity: 'baseline' });
    expect(
      kube.must(namespaces, undefined, 'guest-team-a').metadata.labels?.['pod-security.kubernetes.io/enforce'],
    ).toBe('baseline');
    const walls = kube.must(networkPolicies, 'guest-team-a', 'lumbung-walls');
    kube.update(networkPolicies, walls, (copy) => {
      copy['spec'] = { podSelector: {}, policyTypes: [] };
    });
    await again().ensure(tenant, RULES);
    expect(kube.must(networkPolicies, 'guest-team-a', 'lumbung-walls')['spec']).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
    });
  });

  it('opens to private ranges when the owner opens them, and closes again', async () => {
    const { kube, ground } = aRig();
    const closed = (): boolean =>
      JSON.stringify(kube.must(networkPolicies, 'guest-team-a', 'lumbung-walls')).includes('192.168.0.0/16');
    await ground.ensure(tenant, RULES);
    expect(closed()).toBe(true);
    await ground.ensure(tenant, { ...RULES, allowPrivateRanges: true });
    expect(closed()).toBe(false);
    await ground.ensure(tenant, RULES);
    expect(closed()).toBe(true);
  });

  it('is never taken from somebody else', async () => {
    const { kube, ground } = aRig();
    kube.put(namespaces, {
      metadata: { name: 'guest-team-a', labels: { 'lumbung.dev/guest': 'true', 'lumbung.dev/tenant': 'team-b' } },
    });
    expect(await ground.ensure(tenant, RULES)).toEqual({
      ok: false,
      error: 'Namespace guest-team-a exists and was not made by this agent',
    });
    const other = aRig();
    other.kube.put(priorityClasses, { metadata: { name: 'lumbung-guest' }, value: 1000 } as never);
    expect(await other.ground.ensure(tenant, RULES)).toEqual({
      ok: false,
      error: 'PriorityClass lumbung-guest has the value 1000 instead of -2000000000: guests could crowd out the owner',
    });
  });

  it('is tried again after a failure', async () => {
    const { kube, ground } = aRig();
    kube.before = () => {
      throw lostConnection();
    };
    await expect(ground.ensure(tenant, RULES)).rejects.toThrow('connection reset');
    kube.before = () => undefined;
    expect(await ground.ensure(tenant, RULES)).toEqual({ ok: true, value: undefined });
    ground.invalidate(tenant);
    expect(await ground.ensure(tenant, RULES)).toEqual({ ok: true, value: undefined });
  });
});

describe('covers', () => {
  it.each([
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: 2 }, { a: 1 }, false],
    [{ a: [1, 2] }, { a: [1, 2] }, true],
    [{ a: [1, 2, 3] }, { a: [1, 2] }, false],
    [{}, { a: [] }, true],
    [{}, { a: {} }, true],
    [undefined, { a: 1 }, false],
    ['x', { a: 1 }, false],
  ])('%j covers %j: %s', (found, wanted, holds) => {
    expect(covers(found, wanted)).toBe(holds);
  });
});
