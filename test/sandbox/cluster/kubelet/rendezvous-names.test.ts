import { describe, expect, it } from 'vitest';
import { answerName, parsePodDnsName } from '../../../../src/sandbox/cluster/kubelet/rendezvous-names.ts';
import type { NamedPod, Service } from '../../../../src/sandbox/cluster/kubelet/rendezvous-names.ts';

describe('parsePodDnsName', () => {
  it.each([
    ['job-0.svc-a', { hostname: 'job-0', service: 'svc-a', namespace: 'own' }],
    ['job-0.svc-a.ns', { hostname: 'job-0', service: 'svc-a', namespace: 'ns' }],
    ['job-0.svc-a.ns.svc', { hostname: 'job-0', service: 'svc-a', namespace: 'ns' }],
    ['job-0.svc-a.ns.svc.cluster.local', { hostname: 'job-0', service: 'svc-a', namespace: 'ns' }],
    ['job-0', undefined],
    ['a.b.c.d', undefined],
    ['10.0.0.1', undefined],
    ['1.5', undefined],
    ['http://job-0.svc-a', undefined],
    ['Job-0.svc', undefined],
    ['x.y z', undefined],
  ])('reads %j', (text, want) => {
    expect(parsePodDnsName(text, 'own')).toEqual(want);
  });
});

describe('answerName', () => {
  const name = { hostname: 'job-0', service: 's', namespace: 'ns' };
  const service = (spec: Service['spec']): Service => ({
    metadata: { name: 's' },
    ...(spec === undefined ? {} : { spec }),
  });
  const headless = service({ clusterIP: 'None', selector: { job: 'x' } });
  const pod = (more: Partial<NamedPod> = {}): NamedPod => ({
    hostname: 'job-0',
    subdomain: 's',
    labels: { job: 'x' },
    ready: true,
    podIp: '127.1.0.1',
    ...more,
  });

  it.each<[string, Service | undefined, NamedPod[], string]>([
    ['answers for a ready pod', headless, [pod()], 'Address'],
    ['waits while the pod is not there', headless, [], 'NotYet'],
    ['waits while the pod is not ready', headless, [pod({ ready: false })], 'NotYet'],
    [
      'answers for unready pods where the Service publishes them',
      service({ clusterIP: 'None', selector: { job: 'x' }, publishNotReadyAddresses: true }),
      [pod({ ready: false })],
      'Address',
    ],
    ['waits for a pod that the Service selects', headless, [pod({ labels: {} })], 'NotYet'],
    ['waits for a pod of that subdomain', headless, [pod({ subdomain: 'other' })], 'NotYet'],
    ['leaves names of Services with an address alone', service({ clusterIP: '10.0.0.1' }), [pod()], 'NotOurs'],
    ['leaves names without a Service alone', undefined, [pod()], 'NotOurs'],
  ])('%s', (_name, given, pods, want) => {
    expect(answerName(name, given, pods).kind).toBe(want);
  });
});
