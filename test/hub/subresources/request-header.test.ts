import { describe, expect, it } from 'vitest';
import { readRequestHeader } from '../../../src/hub/subresources/request-header.ts';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { fakeObjects } from '../federation/federation-rig.ts';

const key = 'configmaps/kube-system/extension-apiserver-authentication';

function clusterWith(data: Record<string, string> | Error | undefined): ReturnType<typeof fakeObjects> {
  const kube = fakeObjects();
  if (data instanceof Error) kube.objects.set(key, data);
  else if (data !== undefined) kube.objects.set(key, { metadata: { name: 'x' }, data } as KubeObject);
  return kube;
}

describe('readRequestHeader', () => {
  it('reads whom to believe and in which headers', async () => {
    const { client } = clusterWith({
      'requestheader-client-ca-file': 'PEM',
      'requestheader-allowed-names': '["front-proxy-client"]',
      'requestheader-username-headers': '["X-A","X-B"]',
      'requestheader-group-headers': '["X-G"]',
    });
    expect(await readRequestHeader(client)).toEqual({
      clientCaPem: 'PEM',
      allowedNames: ['front-proxy-client'],
      usernameHeaders: ['X-A', 'X-B'],
      groupHeaders: ['X-G'],
    });
  });

  it('takes the usual headers and any name where nothing is said', async () => {
    const { client } = clusterWith({ 'requestheader-client-ca-file': 'PEM' });
    expect(await readRequestHeader(client)).toMatchObject({ allowedNames: [], usernameHeaders: ['X-Remote-User'] });
  });

  it.each([
    ['has no such ConfigMap', undefined],
    ['has no authority in it', {}],
    ['does not let the hub read it', new KubeError({ status: 403, reason: 'Forbidden', message: 'no' })],
  ])('serves no such API in a cluster that %s', async (_what, data) => {
    expect(await readRequestHeader(clusterWith(data).client)).toBeUndefined();
  });

  it('passes on other failures', async () => {
    const down = clusterWith(new KubeError({ status: 500, reason: 'InternalError', message: 'down' }));
    await expect(readRequestHeader(down.client)).rejects.toMatchObject({ status: 500 });
  });

  it.each(['not json', '"text"', '[1]', '{}'])('does not take %s for "every name is allowed"', async (names) => {
    const { client } = clusterWith({ 'requestheader-client-ca-file': 'PEM', 'requestheader-allowed-names': names });
    await expect(readRequestHeader(client)).rejects.toThrow(
      'requestheader-allowed-names is not a JSON list of strings',
    );
  });
});
