import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  isRunning,
  isSucceeded,
  namespace,
} from '../support/in-process-federation.ts';

describe('a hub whose store was set back to a backup', () => {
  let federation: InProcessFederation;
  beforeAll(async () => {
    federation = await InProcessFederation.start({
      members: [{ name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 4 }] }],
    });
    await federation.apply(namespace('team-a'), aPool({ name: 'research', tenants: { 'team-a': 1 } }));
  });
  afterAll(() => federation.stop());

  it(
    'hears again of the success that it had recorded and forgot, and runs nothing twice',
    { timeout: 40_000 },
    async () => {
      await federation.apply(
        aJob({ key: 'team-a/done', pool: 'research', duration: '2s' }),
        aJob({ key: 'team-a/living', pool: 'research', duration: 'infinite' }),
      );
      for (const key of ['team-a/done', 'team-a/living']) await federation.whenJob(key, isRunning);
      const backup = federation.hub.sandbox.snapshot();
      await federation.whenJob('team-a/done', isSucceeded);
      const started = async (): Promise<string | undefined> =>
        /^lumbung_agent_runs_started_total (\d+)$/m.exec(await federation.member('north').metrics.expose())?.[1];
      expect(await started()).toBe('2');

      // The hub's word that it has recorded the end has arrived: the member speaks of it no more.
      const { wire } = federation.member('north');
      await eventually(
        () => wire.findLast((line) => line.startsWith('-> {"kind":"report"'))?.includes('"done"') === false,
        {
          what: 'the success is acknowledged',
        },
      );
      // As the manual of etcd asks for: whatever remembers the cluster is restarted with it.
      await federation.restartHub(() => {
        federation.hub.sandbox.restore(backup);
      });
      const done = await federation.whenJob('team-a/done', isSucceeded, 30_000);
      expect(done.history).toMatchObject([{ fence: 1, attempt: 1, outcome: 'Succeeded', cause: 'Completed' }]);
      expect((await federation.job('team-a', 'living')).status).toMatchObject({ phase: 'Running', run: { fence: 1 } });
      expect(await started()).toBe('2');
    },
  );
});
