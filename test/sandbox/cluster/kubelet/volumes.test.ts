import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareContainerRoot, writeVolumes } from '../../../../src/sandbox/cluster/kubelet/volumes.ts';
import type { Volume } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { aPod } from '../object-builders.ts';

let base = '';

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'sandbox-volumes-'));
  await mkdir(join(base, 'pod'));
});

afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

function write(...volumes: readonly Volume[]) {
  return writeVolumes({
    pod: aPod({ metadata: { labels: { app: 'x', tier: 'y' } }, spec: { volumes } }),
    podDir: join(base, 'pod'),
    diskDir: join(base, 'disk'),
    config: {
      configMaps: new Map([
        [
          'settings',
          new Map([
            ['a', Buffer.from('1')],
            ['b', Buffer.from('2')],
          ]),
        ],
      ]),
      secrets: new Map([['keys', new Map([['token', Buffer.from('s3cret')]])]]),
    },
    place: { nodeName: 'n1', hostIp: '127.1.255.1', podIp: '127.1.0.1' },
    allocatable: {},
    serviceAccountToken: (audience) => Promise.resolve(`token-for-${audience ?? 'api'}`),
  });
}

describe('volumes', () => {
  it('hold ConfigMaps, Secrets with their mode, and the pod’s own fields', async () => {
    const folders = await write(
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'chosen', configMap: { name: 'settings', items: [{ key: 'a', path: 'deep/a.txt' }] } },
      { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
      { name: 'me', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    );
    const read = (volume: string, path: string): Promise<string> => readFile(join(folders.get(volume)!, path), 'utf8');
    expect(await read('settings', 'b')).toBe('2');
    expect(await read('chosen', 'deep/a.txt')).toBe('1');
    expect(await read('keys', 'token')).toBe('s3cret');
    expect((await stat(join(folders.get('keys')!, 'token'))).mode & 0o777).toBe(0o400);
    expect(await read('me', 'labels')).toBe('app="x"\ntier="y"');
  });

  it('join several sources in a projected volume, tokens included', async () => {
    const folders = await write({
      name: 'all',
      projected: {
        sources: [
          { configMap: { name: 'settings', items: [{ key: 'a', path: 'a' }] } },
          { secret: { name: 'keys' } },
          { serviceAccountToken: { path: 'token-file', audience: 'vault' } },
        ],
      },
    });
    const all = folders.get('all')!;
    expect(await readFile(join(all, 'a'), 'utf8')).toBe('1');
    expect(await readFile(join(all, 'token-file'), 'utf8')).toBe('token-for-vault');
  });

  it('put hostPath on the member’s own disk, shared between pods and kept', async () => {
    const folders = await write({ name: 'host', hostPath: { path: '/data/models' } });
    expect(folders.get('host')).toBe(join(base, 'disk', 'data', 'models'));
  });

  it.each<[string, Volume, string]>([
    ['a missing ConfigMap', { name: 'v', configMap: { name: 'nope' } }, 'configmap "nope" not found'],
    [
      'a missing key',
      { name: 'v', secret: { secretName: 'keys', items: [{ key: 'k', path: 'k' }] } },
      'non-existent config key: k',
    ],
    ['a path that climbs out', { name: 'v', hostPath: { path: '/../../etc' } }, 'must not contain ".."'],
    [
      'another kind of volume',
      { name: 'v', persistentVolumeClaim: {} } as unknown as Volume,
      'no volumes of kind persistentVolumeClaim',
    ],
  ])('refuse %s', async (_name, volume, want) => {
    await expect(write(volume)).rejects.toThrow(want);
  });

  it('appear under the container’s root at their mount paths', async () => {
    const folders = await write({ name: 'data', emptyDir: {} }, { name: 'settings', configMap: { name: 'settings' } });
    const container = {
      name: 'main',
      volumeMounts: [
        { name: 'data', mountPath: '/data' },
        { name: 'settings', mountPath: '/etc/app.conf', subPath: 'a' },
      ],
    };
    const prepared = await prepareContainerRoot(join(base, 'pod'), container, folders);
    expect(await readFile(join(prepared.root, 'etc/app.conf'), 'utf8')).toBe('1');
    expect((await stat(join(prepared.root, 'data'))).isDirectory()).toBe(true);
    expect(prepared.mounts.map(({ mountPath }) => mountPath)).toEqual([
      '/data',
      '/etc/app.conf',
      '/dev/termination-log',
    ]);
    await expect(prepareContainerRoot(join(base, 'pod'), container, folders)).resolves.toMatchObject({
      root: prepared.root,
    });
  });
});
