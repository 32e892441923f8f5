import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { KubeConfigError, loadKubeConfig } from '../../../src/platform/kube/kubeconfig.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function aConfig(user: Record<string, unknown>, cluster: Record<string, unknown> = {}): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    contexts: [
      { name: 'main', context: { cluster: 'c', user: 'u', namespace: 'research' } },
      { name: 'bare', context: { cluster: 'c', user: 'nobody' } },
      { name: 'broken', context: { cluster: 'missing', user: 'u' } },
    ],
    clusters: [
      {
        name: 'c',
        cluster: { server: 'https://10.0.0.1:6443', 'certificate-authority-data': base64('CA PEM'), ...cluster },
      },
    ],
    users: [{ name: 'u', user }],
  });
}

describe('loadKubeConfig', () => {
  it('takes client certificates, the authority and the namespace of the context', async () => {
    const yaml = aConfig({ 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') });
    const loaded = loadKubeConfig({ kind: 'text', yaml });
    expect(loaded).toMatchObject({ namespace: 'research', contextName: 'main', clusterName: 'c' });
    expect(loaded.credentials.server).toBe('https://10.0.0.1:6443');
    expect(await loaded.credentials.current()).toEqual({
      ca: 'CA PEM',
      cert: 'CERT',
      key: 'KEY',
      insecureSkipTlsVerify: false,
      headers: {},
    });
  });

  it('takes tokens, basic credentials, the TLS server name and the skip flag', async () => {
    const token = loadKubeConfig({
      kind: 'text',
      yaml: aConfig({ token: 't0k' }, { 'tls-server-name': 'kube', 'insecure-skip-tls-verify': true }),
    });
    expect(await token.credentials.current()).toMatchObject({
      serverName: 'kube',
      insecureSkipTlsVerify: true,
      headers: { authorization: 'Bearer t0k' },
    });
    const basic = loadKubeConfig({ kind: 'text', yaml: aConfig({ username: 'me', password: 'pw' }) });
    expect(await basic.credentials.current()).toMatchObject({ headers: { authorization: `Basic ${base64('me:pw')}` } });
  });

  it('reads a token file again each time, so that it may rotate', async () => {
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'one');
    const path = join(folder, 'config');
    writeFileSync(path, aConfig({ tokenFile: 'token' }));
    const loaded = loadKubeConfig({ kind: 'file', path });
    expect((await loaded.credentials.current()).headers).toEqual({ authorization: 'Bearer one' });
    writeFileSync(tokenFile, 'two\n');
    expect((await loaded.credentials.current()).headers).toEqual({ authorization: 'Bearer two' });
  });

  it('runs an exec plugin', async () => {
    const plugin = join(folder, 'plugin.cjs');
    writeFileSync(
      plugin,
      `console.log(JSON.stringify({apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: {token: 'from-plugin'}}))`,
    );
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: [plugin],
      interactiveMode: 'Never',
    };
    const loaded = loadKubeConfig({ kind: 'text', yaml: aConfig({ exec }) });
    expect((await loaded.credentials.current()).headers).toEqual({ authorization: 'Bearer from-plugin' });
  });

  it('gives the authority also to a context whose user does not exist', async () => {
    const loaded = loadKubeConfig({ kind: 'text', yaml: aConfig({}), context: 'bare' });
    expect(await loaded.credentials.current()).toMatchObject({ ca: 'CA PEM' });
    expect(loaded.namespace).toBe('default');
  });

  it.each([
    {
      name: 'a missing file',
      source: { kind: 'file', path: '/does/not/exist' } as const,
      want: /\/does\/not\/exist.*ENOENT/,
    },
    {
      name: 'a text that is no YAML',
      source: { kind: 'text', yaml: 'users: [token: "s3cret' } as const,
      want: /cannot be read as a kubeconfig/,
    },
    {
      name: 'an unknown context',
      source: { kind: 'text', yaml: aConfig({}), context: 'other' } as const,
      want: /context "other" is missing; it has main, bare, broken/,
    },
    {
      name: 'a context without its cluster',
      source: { kind: 'text', yaml: aConfig({}), context: 'broken' } as const,
      want: /names cluster missing/,
    },
    {
      name: 'a server that is no URL',
      source: { kind: 'text', yaml: aConfig({}, { server: 'nonsense' }) } as const,
      want: /cluster c: server "nonsense" is not an http\(s\) URL/,
    },
    {
      name: 'a proxy',
      source: { kind: 'text', yaml: aConfig({}, { 'proxy-url': 'http://p' }) } as const,
      want: /proxy-url is not supported/,
    },
  ])('says what is wrong with $name, and no secret', ({ source, want }) => {
    let error: unknown;
    try {
      loadKubeConfig(source);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(KubeConfigError);
    expect((error as Error).message).toMatch(want);
    expect((error as Error).message).not.toContain('s3cret');
  });
});
