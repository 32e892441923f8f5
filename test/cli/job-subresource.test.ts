import { describe, expect, it } from 'vitest';
import { jobSubresourcePath } from '../../src/cli/job-subresource.ts';

describe('jobSubresourcePath', () => {
  it('leaves out parameters that are not given', () => {
    expect(jobSubresourcePath('ns', 'job', 'log', { worker: 0, attempt: undefined, container: 'a b' })).toBe(
      '/apis/subresources.lumbung.dev/v1alpha1/namespaces/ns/computejobs/job/log?worker=0&container=a+b',
    );
    expect(jobSubresourcePath('ns', 'job', 'explain')).not.toContain('?');
  });

  it('lets no name leave its place in the path', () => {
    const path = jobSubresourcePath('../../x', 'a/b?c=d#e', 'explain');
    expect(path.split('?')).toHaveLength(1);
    expect(path.split('/').slice(-5)).toEqual([
      'namespaces',
      '..%2F..%2Fx',
      'computejobs',
      'a%2Fb%3Fc%3Dd%23e',
      'explain',
    ]);
  });
});
