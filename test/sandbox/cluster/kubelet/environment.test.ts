import { describe, expect, it } from 'vitest';
import { configReferences, containerEnvironment, expand } from '../../../../src/sandbox/cluster/kubelet/environment.ts';
import type { ConfigObjects } from '../../../../src/sandbox/cluster/kubelet/environment.ts';
import type { Container } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { aPod } from '../object-builders.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const config: ConfigObjects = {
  configMaps: new Map([['settings', new Map([['mode', bytes('fast')]])]]),
  secrets: new Map([['keys', new Map([['token', bytes('s3cret')]])]]),
};
const place = { nodeName: 'n1', hostIp: '127.1.255.1', podIp: '127.1.0.7' };

function environmentOf(container: Partial<Container>) {
  const pod = aPod({ metadata: { labels: { app: 'x' }, annotations: { note: 'hello' } } });
  return containerEnvironment({
    pod,
    container: { name: 'main', ...container },
    place,
    config,
    allocatable: { cpu: '16' },
  });
}

describe('containerEnvironment', () => {
  it('reads values, references, fields and resources', () => {
    const env = environmentOf({
      resources: { limits: { 'nvidia.com/gpu': '2', cpu: '1500m' } },
      env: [
        { name: 'PLAIN', value: 'a' },
        { name: 'JOINED', value: '$(PLAIN)-$(MISSING)-$$(PLAIN)' },
        { name: 'MODE', valueFrom: { configMapKeyRef: { name: 'settings', key: 'mode' } } },
        { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: 'NOTE', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['note']" } } },
        { name: 'NONE', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['absent']" } } },
        { name: 'GPUS', valueFrom: { resourceFieldRef: { resource: 'limits.nvidia.com/gpu' } } },
        { name: 'CPUS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'MILLI', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      ],
    });
    expect(env).toEqual({
      ok: true,
      value: {
        PLAIN: 'a',
        JOINED: 'a-$(MISSING)-$(PLAIN)',
        MODE: 'fast',
        TOKEN: 's3cret',
        IP: '127.1.0.7',
        NODE: 'n1',
        APP: 'x',
        NOTE: 'hello',
        NONE: '',
        GPUS: '2',
        CPUS: '2',
        MILLI: '1500',
      },
    });
  });

  it('takes whole objects with a prefix, and lets single variables win over them', () => {
    const env = environmentOf({
      envFrom: [{ prefix: 'S_', configMapRef: { name: 'settings' } }, { secretRef: { name: 'keys' } }],
      env: [{ name: 'token', value: 'mine' }],
    });
    expect(env).toEqual({ ok: true, value: { S_mode: 'fast', token: 'mine' } });
  });

  it.each<[string, Partial<Container>, string]>([
    ['a missing ConfigMap', { envFrom: [{ configMapRef: { name: 'nope' } }] }, 'configmap "nope" not found'],
    [
      'a missing Secret',
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'nope', key: 'k' } } }] },
      'secret "nope" not found',
    ],
    [
      'a missing key',
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } }] },
      'couldn\'t find key k in secret "keys"',
    ],
    [
      'an unknown field',
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.colour' } } }] },
      'fieldPath "spec.colour" is not supported',
    ],
  ])('names %s and no value', (_name, container, want) => {
    const env = environmentOf(container);
    expect(env).toEqual({ ok: false, error: want });
    expect(JSON.stringify(env)).not.toContain('s3cret');
  });

  it('leaves optional references out when they are missing', () => {
    const env = environmentOf({
      envFrom: [{ secretRef: { name: 'nope', optional: true } }],
      env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'nope', optional: true } } }],
    });
    expect(env).toEqual({ ok: true, value: {} });
  });
});

describe('expand', () => {
  it.each([
    ['$(A)', '1'],
    ['x$(A)y', 'x1y'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(B)', '$(B)'],
    ['$A ${A}', '$A ${A}'],
    ['$(toString)', '$(toString)'],
  ])('turns %j into %j', (text, want) => {
    expect(expand(text, { A: '1' })).toBe(want);
  });
});

describe('configReferences', () => {
  it('finds those of variables and of all kinds of volumes', () => {
    const pod = aPod({
      spec: {
        containers: [{ name: 'main', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's1', key: 'k' } } }] }],
        volumes: [
          { name: 'v1', secret: { secretName: 's2' } },
          { name: 'v2', projected: { sources: [{ configMap: { name: 'c1' } }] } },
        ],
      },
    });
    const found = configReferences(pod);
    expect([...found.secrets]).toEqual(['s1', 's2']);
    expect([...found.configMaps]).toEqual(['c1']);
  });
});
