import { describe, expect, it } from 'vitest';
import { publishSubresourceApi } from '../../../src/hub/subresources/publish-api.ts';
import type { KubeClient } from '../../../src/platform/kube/kube-client.ts';

describe('publishSubresourceApi', () => {
  it('registers group and version with the Service and the authority that the API server shall trust', async () => {
    const applied: unknown[] = [];
    const client = {
      apply: (_type: unknown, object: unknown, options: unknown) => {
        applied.push({ object, options });
        return Promise.resolve(object);
      },
    } as unknown as KubeClient;
    await publishSubresourceApi(client, { namespace: 'lumbung-system', name: 'hub', port: 443, caPem: 'PEM' });
    expect(applied).toMatchObject([
      {
        object: {
          metadata: { name: 'v1alpha1.subresources.lumbung.dev' },
          spec: {
            group: 'subresources.lumbung.dev',
            version: 'v1alpha1',
            service: { namespace: 'lumbung-system', name: 'hub', port: 443 },
            caBundle: Buffer.from('PEM').toString('base64'),
          },
        },
        options: { force: true },
      },
    ]);
    expect(JSON.stringify(applied)).not.toContain('insecureSkipTLSVerify');
  });
});
