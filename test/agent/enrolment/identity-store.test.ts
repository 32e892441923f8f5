import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentityStore, IDENTITY_SECRET, IdentityLost } from '../../../src/agent/enrolment/identity-store.ts';
import { secrets } from '../../../src/platform/kube/builtin-resources.ts';
import { anAgentCluster, type AgentCluster } from '../../support/agent-cluster.ts';

describe('the identity store', () => {
  let cluster: AgentCluster;
  beforeEach(async () => {
    cluster = await anAgentCluster();
  });
  afterEach(() => cluster.stop());
  const store = () => createIdentityStore({ client: cluster.client, namespace: 'lumbung-system', member: 'member-a' });

  it('makes keys once and finds them again', async () => {
    expect(await store().load()).toBeUndefined();
    const first = await store().ensure();
    expect(first.keyPem).toContain('PRIVATE KEY');
    expect(first.sealingKeyPem).toContain('PRIVATE KEY');
    expect(await store().ensure()).toEqual(first);
  });

  it('lets two agent pods that start together agree on one set of keys', async () => {
    const [a, b, c] = await Promise.all([store().ensure(), store().ensure(), store().ensure()]);
    expect(b).toEqual(a);
    expect(c).toEqual(a);
  });

  it('keeps what others wrote meanwhile', async () => {
    await store().ensure();
    await Promise.all([
      store().update({ certificatePem: 'CERT' }),
      store().update({ trustBundlePem: 'CA' }),
      store().update({ leaseTerm: 3 }),
    ]);
    expect(await store().load()).toMatchObject({ certificatePem: 'CERT', trustBundlePem: 'CA', leaseTerm: 3 });
  });

  it('never lowers the lease term', async () => {
    await store().ensure();
    await store().update({ leaseTerm: 9 });
    expect(await store().update({ leaseTerm: 4 })).toMatchObject({ leaseTerm: 9 });
    expect((await store().load())?.leaseTerm).toBe(9);
  });

  it('says so when the Secret is gone or holds no keys, and shows none of it', async () => {
    await store().ensure();
    const ref = { type: secrets, namespace: 'lumbung-system', name: IDENTITY_SECRET };
    await cluster.client.mergePatch(ref, { data: { 'tls.key': null } });
    await expect(store().load()).rejects.toThrow(/data\["tls.key"\] is missing/);
    await cluster.client.delete(ref, { propagationPolicy: 'Background' });
    await expect(store().update({ leaseTerm: 1 })).rejects.toBeInstanceOf(IdentityLost);
  });

  it('touches no other Secret and never lists', async () => {
    await store().ensure();
    await store().update({ leaseTerm: 1 });
    const verbs = new Set(cluster.requests.filter((one) => one.resource === 'secrets').map((one) => one.verb));
    expect([...verbs].sort()).toEqual(['create', 'get', 'patch']);
  });
});
