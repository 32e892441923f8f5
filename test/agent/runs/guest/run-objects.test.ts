import { describe, expect, it } from 'vitest';
import * as objects from '../../../../src/agent/runs/guest/run-objects.ts';
import { orderFromJson } from '../../../../src/agent/runs/order-json.ts';
import { runName } from '../../../../src/api/v1alpha1/child-names.ts';
import { decodeGuestRun } from '../../../../src/api/v1alpha1/guest-run.ts';
import { anOrder } from '../../../support/agent-builders.ts';

const order = anOrder({ workers: 2 });
const owner = objects.ownedBy(order, 'uid-1');

describe('the objects of a run', () => {
  it('begin with a GuestRun that its own schema accepts and that carries the order', () => {
    const record = objects.guestRunObject(order, { nodes: order.nodes, graceSeconds: 30, startedBy: 'me' });
    expect(decodeGuestRun(record).ok).toBe(true);
    const spec = record['spec'] as { readonly order: unknown };
    const back = orderFromJson(JSON.parse(JSON.stringify(spec.order)));
    expect(back.ok && back.value).toEqual(order);
    expect(record.metadata.annotations).toMatchObject({
      'lumbung.dev/job': 'team-a/train',
      'lumbung.dev/started-by': 'me',
    });
  });

  it('round sub-second terms up to what the schema takes', () => {
    const tiny = { ...order, maxRuntimeMs: 10, lease: { ...order.lease, durationMs: 10, terminationGraceMs: 0 } };
    expect(
      decodeGuestRun(objects.guestRunObject(tiny, { nodes: order.nodes, graceSeconds: 1, startedBy: 'x' })).ok,
    ).toBe(true);
  });

  it('go on with a Job that never retries, replaces nothing that may run, and is owned by the GuestRun', () => {
    const pod = { metadata: { labels: {}, annotations: {} }, spec: { containers: [] } };
    const job = objects.guestJobObject(order, { owner, pod, deadlineSeconds: 9 });
    expect(job['spec']).toMatchObject({
      completionMode: 'Indexed',
      parallelism: 2,
      completions: 2,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: 9,
    });
    expect(job['spec']).not.toHaveProperty('suspend');
    expect(job['spec']).not.toHaveProperty('ttlSecondsAfterFinished');
    expect(job.metadata).toMatchObject({
      name: runName(order.id),
      ownerReferences: [{ kind: 'GuestRun', uid: 'uid-1' }],
    });
    expect(job.metadata.annotations?.['lumbung.dev/terms']).not.toContain('registry.example');
  });

  it('give a gang names before its workers are ready, and walls around it', () => {
    expect(objects.guestServiceObject(order, owner)['spec']).toEqual({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { 'lumbung.dev/job-uid': 'job-1', 'lumbung.dev/fence': '1' },
    });
    const policy = objects.sameRunPolicyObject(order, owner)['spec'] as Record<string, unknown>;
    expect(policy).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      podSelector: { matchLabels: { 'lumbung.dev/fence': '1' } },
    });
    expect(policy['ingress']).toEqual([
      { from: [{ podSelector: { matchLabels: { 'lumbung.dev/job-uid': 'job-1', 'lumbung.dev/fence': '1' } } }] },
    ]);
  });
});
