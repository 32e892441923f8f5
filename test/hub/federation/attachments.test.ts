import { describe, expect, it } from 'vitest';
import { createAttachmentResolver } from '../../../src/hub/federation/attachments.ts';
import { runKey } from '../../../src/core/model/ids.ts';
import type { RunOrder } from '../../../src/core/model/run.ts';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createSealingKey, createSealer } from '../../../src/platform/pki/sealing.ts';
import { anOrder } from '../../support/agent-builders.ts';
import { fakeObjects } from './federation-rig.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const secret = (name: string, value: string): KubeObject =>
  ({ metadata: { name, namespace: 'team-a' }, type: 'Opaque', data: { token: base64(value) } }) as KubeObject;

function referring(...names: string[]): RunOrder {
  const envFrom = names.map((name) => ({ secretRef: { name } }));
  return anOrder({ podSpec: { containers: [{ name: 'main', image: 'x', envFrom }] } });
}

describe('createAttachmentResolver', () => {
  it('seals what the template refers to, so that only the member can read it', async () => {
    const kube = fakeObjects();
    kube.objects.set('secrets/team-a/creds', secret('creds', 'canary-value'));
    kube.objects.set('configmaps/team-a/settings', {
      metadata: { name: 'settings', namespace: 'team-a' },
      data: { text: 'lr=0.1' },
      binaryData: { raw: base64('bytes') },
    } as KubeObject);
    const key = createSealingKey();
    const order = anOrder({
      podSpec: {
        volumes: [
          { name: 'a', configMap: { name: 'settings' } },
          { name: 'b', secret: { secretName: 'creds' } },
        ],
      },
    });
    const resolved = await createAttachmentResolver(kube).resolve(order, key.publicKey);
    if (!resolved.ok) return expect.unreachable(resolved.error);
    expect(resolved.value.map(({ kind, name, type }) => ({ kind, name, type }))).toEqual([
      { kind: 'ConfigMap', name: 'settings', type: '' },
      { kind: 'Secret', name: 'creds', type: 'Opaque' },
    ]);
    const sealer = createSealer(key.privateKeyPem);
    const opened = resolved.value.map(
      ({ sealed }) => JSON.parse(Buffer.from(sealer.open(sealed)).toString()) as unknown,
    );
    expect(opened).toEqual([
      { data: { text: base64('lr=0.1'), raw: base64('bytes') } },
      { data: { token: base64('canary-value') } },
    ]);
    const sent = Buffer.concat(resolved.value.map(({ sealed }) => sealed)).toString('latin1');
    expect(sent).not.toContain('canary-value');
    expect(sent).not.toContain(base64('canary-value'));
  });

  it('reads by name, only what is referred to, and nothing for a run without references', async () => {
    const kube = fakeObjects();
    kube.objects.set('secrets/team-a/creds', secret('creds', 'v'));
    kube.objects.set('secrets/team-a/other', secret('other', 'v'));
    const resolver = createAttachmentResolver(kube);
    const { publicKey } = createSealingKey();
    await resolver.resolve(anOrder(), publicKey);
    await resolver.resolve(referring('creds'), publicKey);
    expect(kube.calls).toEqual(['get secrets/team-a/creds']);
  });

  it('reads once per run and member key, so that an edit applies to the next run', async () => {
    const kube = fakeObjects();
    kube.objects.set('secrets/team-a/creds', secret('creds', 'v1'));
    const resolver = createAttachmentResolver(kube);
    const { publicKey } = createSealingKey();
    const order = referring('creds');
    const first = await resolver.resolve(order, publicKey);
    kube.objects.set('secrets/team-a/creds', secret('creds', 'v2'));
    expect(await resolver.resolve(order, publicKey)).toEqual(first);
    expect(kube.calls).toHaveLength(1);
    await resolver.resolve(order, createSealingKey().publicKey);
    expect(kube.calls).toHaveLength(2);
  });

  it('lets go of runs that are over, of that member alone', async () => {
    const kube = fakeObjects();
    kube.objects.set('secrets/team-a/creds', secret('creds', 'v'));
    const resolver = createAttachmentResolver(kube);
    const { publicKey } = createSealingKey();
    const order = referring('creds');
    await resolver.resolve(order, publicKey);
    resolver.retain('member-b', new Set());
    resolver.retain(order.member, new Set([runKey(order.id)]));
    await resolver.resolve(order, publicKey);
    expect(kube.calls).toHaveLength(1);
    resolver.retain(order.member, new Set());
    await resolver.resolve(order, publicKey);
    expect(kube.calls).toHaveLength(2);
  });

  it('names the reference that does not exist, or that the hub may not read', async () => {
    const kube = fakeObjects();
    const resolver = createAttachmentResolver(kube);
    const { publicKey } = createSealingKey();
    const missing = await resolver.resolve(referring('creds'), publicKey);
    expect(missing.ok || missing.error).toContain('Secret team-a/creds, which the template refers to, does not exist');
    kube.objects.set(
      'secrets/team-a/creds',
      new KubeError({ status: 403, reason: 'Forbidden', message: 'secret sauce' }),
    );
    const forbidden = await resolver.resolve(referring('creds'), publicKey);
    expect(forbidden.ok || forbidden.error).toContain('may not read Secret team-a/creds');
    expect(forbidden.ok || forbidden.error).not.toContain('sauce');
  });

  it('does without what is optional', async () => {
    const order = anOrder({
      podSpec: {
        containers: [{ name: 'main', image: 'x', envFrom: [{ secretRef: { name: 'maybe', optional: true } }] }],
      },
    });
    const resolved = await createAttachmentResolver(fakeObjects()).resolve(order, createSealingKey().publicKey);
    expect(resolved).toEqual({ ok: true, value: [] });
  });

  it('throws for what may work later, and asks again then', async () => {
    const kube = fakeObjects();
    kube.objects.set('secrets/team-a/creds', new KubeError({ status: 500, reason: 'InternalError', message: 'etcd' }));
    const resolver = createAttachmentResolver(kube);
    const { publicKey } = createSealingKey();
    await expect(resolver.resolve(referring('creds'), publicKey)).rejects.toMatchObject({ status: 500 });
    kube.objects.set('secrets/team-a/creds', secret('creds', 'v'));
    expect((await resolver.resolve(referring('creds'), publicKey)).ok).toBe(true);
  });

  it.each([
    ['too many bytes', ['a', 'b'], /more than 900000 bytes at Secret b/],
    ['too many objects', Array.from({ length: 129 }, (_, at) => `s${at}`), /refers to 129 .*at most 128/],
  ] as const)('refuses %s by name', async (_what, names, message) => {
    const kube = fakeObjects();
    for (const name of names) kube.objects.set(`secrets/team-a/${name}`, secret(name, 'x'.repeat(400_000)));
    const resolved = await createAttachmentResolver(kube).resolve(referring(...names), createSealingKey().publicKey);
    expect(resolved.ok || resolved.error).toMatch(message);
  });
});
