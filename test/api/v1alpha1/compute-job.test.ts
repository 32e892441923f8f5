import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeComputeJob } from '../../../src/api/v1alpha1/compute-job.ts';

function job(spec: Record<string, unknown>): unknown {
  return {
    apiVersion: 'lumbung.dev/v1alpha1',
    kind: 'ComputeJob',
    metadata: { name: 'train', namespace: 'team-a' },
    spec: { pool: 'research', ...spec },
  };
}

describe('decodeComputeJob', () => {
  it('keeps every unknown field of the pod template, at every level', () => {
    const template = {
      futureTop: [1, { deep: true }],
      metadata: { labels: { a: 'b' }, futureMeta: 'x' },
      spec: {
        futureSpec: { a: null },
        volumes: [{ name: 'v', futureVolume: {} }],
        containers: [
          {
            name: 'main',
            image: 'i',
            futureContainer: 'x',
            env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k', futureRef: 1 } }, futureEnv: false }],
            resources: { limits: { cpu: 1 }, claims: [{ name: 'c' }], futureResources: 2 },
          },
        ],
      },
    };
    const decoded = decodeComputeJob(job({ template }));
    expect(decoded.ok && decoded.value.spec.template).toEqual(template);
  });

  it('keeps arbitrary unknown fields of the pod spec through a JSON round trip', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^x[a-zA-Z]{1,8}$/), fc.jsonValue(), { maxKeys: 5 }), (unknown) => {
        const template = { spec: { ...unknown, containers: [{ name: 'main', image: 'i', ...unknown }] } };
        const decoded = decodeComputeJob(JSON.parse(JSON.stringify(job({ template }))));
        expect(decoded.ok && JSON.parse(JSON.stringify(decoded.value.spec.template))).toEqual(
          JSON.parse(JSON.stringify(template)),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('drops unknown fields outside the template', () => {
    const decoded = decodeComputeJob(job({ template: { spec: { containers: [{ name: 'a' }] } }, gangMode: 'x' }));
    expect(decoded.ok && 'gangMode' in decoded.value.spec).toBe(false);
  });

  it('reports every problem at once, each with its path', () => {
    const decoded = decodeComputeJob(
      job({ workers: 0, rendezvous: 'Mpi', startTimeout: 'soon', template: { spec: { containers: [] } } }),
    );
    expect(decoded.ok ? [] : decoded.error.map(({ path }) => path)).toEqual([
      'spec.workers',
      'spec.template.spec.containers',
      'spec.rendezvous',
      'spec.startTimeout',
    ]);
  });

  it('names the value that it refuses', () => {
    const decoded = decodeComputeJob(job({ workers: 0, template: { spec: { containers: [{ name: 'a' }] } } }));
    expect(decoded).toEqual({
      ok: false,
      error: [{ path: 'spec.workers', message: 'expected number to be >=1, got 0' }],
    });
  });

  it('never repeats a value of the template, which may be a secret', () => {
    const secret = 'hunter2-hunter2';
    const hostile = [
      { spec: { containers: [{ name: secret.toUpperCase(), env: [{ name: 'A', value: 7 }] }] } },
      {
        spec: {
          containers: [
            {
              name: 'a',
              env: [
                { name: 'A', value: { secret } },
                { name: 'A', value: secret },
              ],
            },
          ],
        },
      },
      {
        spec: { containers: [{ name: 'a', resources: { limits: { cpu: secret } } }] },
        metadata: { labels: { a: [secret] } },
      },
      secret,
    ];
    for (const template of hostile) {
      const decoded = decodeComputeJob(job({ template }));
      expect(decoded.ok).toBe(false);
      expect(JSON.stringify(decoded).toLowerCase()).not.toContain(secret);
    }
  });

  it('passes metadata through as it is', () => {
    const metadata = { name: 'a', uid: 'u', labels: { x: 'y' }, managedFields: [{ manager: 'm' }], futureField: 1 };
    const decoded = decodeComputeJob({
      metadata,
      spec: { pool: 'p', template: { spec: { containers: [{ name: 'a' }] } } },
    });
    expect(decoded.ok && decoded.value.metadata).toBe(metadata);
  });
});
