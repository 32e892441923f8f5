import { describe, expect, it } from 'vitest';
import { jobPod } from '../../../../src/sandbox/cluster/jobs/job-pod.ts';
import { aJob } from '../object-builders.ts';

describe('jobPod', () => {
  it('carries its index as name, host name, label, annotation and variable, and belongs to its Job', () => {
    const pod = jobPod(aJob(), { index: 3, suffix: 'abcde' });
    expect(pod.metadata).toMatchObject({
      name: 'j-3-abcde',
      labels: {
        'batch.kubernetes.io/job-completion-index': '3',
        'job-name': 'j',
        'batch.kubernetes.io/controller-uid': 'job-uid',
      },
      annotations: { 'batch.kubernetes.io/job-completion-index': '3' },
      finalizers: ['batch.kubernetes.io/job-tracking'],
      ownerReferences: [{ kind: 'Job', uid: 'job-uid', controller: true, blockOwnerDeletion: true }],
    });
    expect(pod.spec.hostname).toBe('j-3');
    expect(pod.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX');
  });

  it('keeps host names and variables that the template sets', () => {
    const job = aJob();
    const own = [{ name: 'JOB_COMPLETION_INDEX', value: 'mine' }];
    const spec = { ...job.spec.template.spec, hostname: 'h', containers: [{ name: 'main', env: own }] };
    const pod = jobPod({ ...job, spec: { ...job.spec, template: { spec } } }, { index: 0, suffix: 'abcde' });
    expect(pod.spec.hostname).toBe('h');
    expect(pod.spec.containers[0]?.env).toEqual(own);
  });

  it('has no index without indexes', () => {
    const pod = jobPod(aJob(), { index: undefined, suffix: 'abcde' });
    expect(pod.metadata.name).toBe('j-abcde');
    expect(pod.metadata.annotations).toBeUndefined();
    expect(pod.spec.hostname).toBeUndefined();
  });
});
