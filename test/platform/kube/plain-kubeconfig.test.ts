import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadKubeConfig } from '../../../src/platform/kube/kubeconfig.ts';
import { plainKubeConfig, podCredentials } from '../../../src/platform/kube/plain-kubeconfig.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('credentials without plugins', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'plain-kubeconfig-'));
    path = join(folder, 'config');
    for (const name of ['ca.crt', 'client.crt', 'client.key', 'token'])
      writeFileSync(join(folder, name), `${name} of a file\n`);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function write(user: Record<string, unknown>, cluster: Record<string, unknown> = {}): void {
    const config = {
      'current-context': 'main',
      contexts: [
        { name: 'main', context: { cluster: 'c', user: 'u' } },
        { name: 'other', context: { cluster: 'd', user: 'u' } },
        { name: 'broken', context: { cluster: 'c', user: 'nobody' } },
      ],
      clusters: [
        {
          name: 'c',
          cluster: { server: 'https://10.0.0.1:6443', 'certificate-authority-data': base64('CA'), ...cluster },
        },
        { name: 'd', cluster: { server: 'http://127.0.0.1:8001' } },
      ],
      users: [{ name: 'u', user }],
    };
    writeFileSync(path, stringify(config));
  }

  it.each([
    ['certificates in the file', { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') }, {}],
    [
      'certificates beside it',
      { 'client-certificate': 'client.crt', 'client-key': 'client.key' },
      { 'certificate-authority-data': undefined, 'certificate-authority': 'ca.crt' },
    ],
    ['a token', { token: 't0k' }, { 'tls-server-name': 'kube', 'insecure-skip-tls-verify': true }],
    ['a token file', { tokenFile: 'token' }, {}],
    ['name and password', { username: 'me', password: 'pw' }, {}],
    ['nothing', {}, {}],
  ])('are those of the full reader, from %s', async (_what, user, cluster) => {
    write(user, cluster);
    const plain = plainKubeConfig(path);
    const full = loadKubeConfig({ kind: 'file', path });
    expect(plain?.server).toBe(full.credentials.server);
    expect(await plain?.current()).toEqual(await full.credentials.current());
  });

  it('follow the named context, and a token file that rotates', async () => {
    write({ tokenFile: 'token' });
    const plain = plainKubeConfig(path, 'other');
    expect(plain?.server).toBe('http://127.0.0.1:8001');
    writeFileSync(join(folder, 'token'), 'next');
    expect((await plain?.current())?.headers).toEqual({ authorization: 'Bearer next' });
  });

  it.each([
    ['an exec plugin', { exec: { command: 'x', apiVersion: 'v1' } }, {}, undefined],
    ['an auth provider', { 'auth-provider': { name: 'oidc' } }, {}, undefined],
    ['impersonation', { token: 't', as: 'admin' }, {}, undefined],
    ['a proxy', { token: 't' }, { 'proxy-url': 'http://proxy:1' }, undefined],
    ['a server that is no URL', { token: 't' }, { server: 'nowhere' }, undefined],
    ['a context that is not there', { token: 't' }, {}, 'missing'],
    ['a user that is not there', { token: 't' }, {}, 'broken'],
  ])('are left to the full reader for %s', (_what, user, cluster, context) => {
    write(user, cluster);
    expect(plainKubeConfig(path, context)).toBeUndefined();
  });

  it('are left to the full reader when the file cannot be read', () => {
    expect(plainKubeConfig(join(folder, 'none'))).toBeUndefined();
    writeFileSync(path, 'a: [b');
    expect(plainKubeConfig(path)).toBeUndefined();
  });

  it('come from the service account in a pod, read again each time', async () => {
    const credentials = podCredentials({ host: 'fd00::1', port: '443', serviceAccountDir: folder });
    expect(credentials.server).toBe('https://[fd00::1]:443');
    expect(await credentials.current()).toMatchObject({
      ca: 'ca.crt of a file\n',
      headers: { authorization: 'Bearer token of a file' },
    });
    rmSync(join(folder, 'token'));
    await expect(credentials.current()).rejects.toThrow('ENOENT');
  });
});
