import { describe, expect, it } from 'vitest';
import { computeJobStatus } from '../../../src/api/v1alpha1/compute-job-status.ts';
import { jobUid } from '../../../src/core/model/ids.ts';
import type { HubRun } from '../../../src/core/run/hub-run.ts';
import { runForStatus, runOfStatus } from '../../../src/hub/state/run-in-status.ts';
import { aHubRun } from '../../support/core-builders.ts';

describe('the run in status', () => {
  it.each<{ what: string; over: Partial<HubRun> }>([
    { what: 'just placed', over: {} },
    { what: 'running and armed', over: { startedAtMs: Date.UTC(2026, 0, 1, 0, 1), deadlineArmed: true } },
    {
      what: 'being stopped',
      over: { cancel: { cause: 'Suspended', message: 'asked', requestedAtMs: Date.UTC(2026, 0, 1, 0, 2) } },
    },
  ])('survives a write and a read when $what', ({ over }) => {
    const run: HubRun = { ...aHubRun(), placedAtMs: Date.UTC(2026, 0, 1), ...over };
    const written = runForStatus(run, { gpuResource: 'nvidia.com/gpu', jurisdictions: ['ID'] });
    const status = computeJobStatus.parse({ run: written, highestFence: run.terms.id.fence });
    expect(runOfStatus({ uid: run.terms.id.jobUid, key: run.terms.job }, status)).toEqual(run);
  });

  it('is absent when status has none', () => {
    expect(runOfStatus({ uid: jobUid('u'), key: { namespace: 'n', name: 'j' } }, {})).toBeUndefined();
  });
});
