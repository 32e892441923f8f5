import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/cli-io.ts';
import { CliRig, sendJson } from '../cli-rig.ts';

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

const listing = (items: unknown): void => {
  rig.answer = (_request, response) => sendJson(response, 200, { kind: 'OrphanList', items });
};

const orphan = {
  member: 'member-a',
  sinceMs: Date.now() - 3 * 3_600_000,
  report: {
    id: { jobUid: 'uid-1', fence: 4 },
    job: { namespace: 'team-a', name: 'train' },
    phase: 'Running',
    gpuModel: 'H100-80GB',
    gpusPerWorker: 2,
    nodes: [
      { node: 'n1', workers: 1 },
      { node: 'n2', workers: 2 },
    ],
  },
};

describe('lumbung run orphans', () => {
  it('lists each run with what it holds and for how long the hub has known of it', async () => {
    listing([orphan]);
    const { code, out, notes } = await rig.run('run', 'orphans');
    expect({ code, notes }).toEqual({ code: EXIT.ok, notes: '' });
    expect(out.split('\n').slice(0, 2)).toEqual([
      'MEMBER     NAMESPACE   JOB     JOB UID   FENCE   PHASE     GPUS   MODEL       SEEN',
      'member-a   team-a      train   uid-1     4       Running   6      H100-80GB   3h',
    ]);
    expect(rig.requests.map(({ path }) => path)).toEqual(['/apis/subresources.lumbung.dev/v1alpha1/orphans']);
  });

  it('shows a dash for what an older or newer hub does not say', async () => {
    listing([{ member: 'member-a' }]);
    expect((await rig.run('run', 'orphans')).out.split('\n')[1]).toMatch(/^member-a( +-){8}$/);
  });

  it('says on standard error that there are none, and prints an empty list for machines', async () => {
    listing([]);
    const none = await rig.run('run', 'orphans');
    expect(none).toMatchObject({ code: EXIT.ok, out: '' });
    expect(none.notes).toContain('no orphans');
    expect(await rig.run('run', 'orphans', '-o', 'json')).toEqual({ code: EXIT.ok, out: '[]\n', notes: '' });
  });

  it('prints the items as they came', async () => {
    listing([orphan]);
    expect(JSON.parse((await rig.run('run', 'orphans', '-o', 'json')).out)).toEqual([orphan]);
  });

  it.each([[{}], [null], [{ items: 'none' }]])('does not show %j as a list', async (body) => {
    rig.answer = (_request, response) => sendJson(response, 200, body);
    expect(await rig.run('run', 'orphans')).toMatchObject({ code: EXIT.failed, out: '' });
  });
});
