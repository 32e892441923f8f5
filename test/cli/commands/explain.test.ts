import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT } from '../../../src/cli/cli-io.ts';
import { CliRig, sendJson, sendStatus } from '../cli-rig.ts';

const report = {
  kind: 'ComputeJobExplanation',
  apiVersion: 'subresources.lumbung.dev/v1alpha1',
  job: { namespace: 'team-a', name: 'train', uid: 'uid-1' },
  phase: 'Queued',
  summary: 'needs 8 GPUs; nearest of 2 members is member-a: largest free fit is 5 of 8 workers',
  reason: 'WaitingForCapacity',
  position: 2,
  tenant: 'team-a',
  waitingSince: '2026-01-01T00:00:00Z',
  members: [
    { member: 'member-a', reason: 'InsufficientGpus', message: 'needs 8 GPUs, 5 free', facts: {}, dataAgeSeconds: 3 },
    { member: 'member-b', reason: 'MemberNotReady', message: 'is disconnected', facts: {} },
  ],
  problems: [],
};

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

const explaining = (body: unknown): void => {
  rig.answer = (_request, response) => sendJson(response, 200, body);
};

describe('lumbung explain', () => {
  it('prints the sentence, the rank and a row per member with its reason and the age of its data', async () => {
    explaining(report);
    const { code, out, notes } = await rig.run('explain', 'train');
    expect({ code, notes }).toEqual({ code: EXIT.ok, notes: '' });
    expect(out.split('\n')).toEqual([
      `Queued: ${report.summary}`,
      'Rank 2 among the waiting jobs of tenant team-a',
      'Waiting since 2026-01-01T00:00:00Z',
      '',
      'MEMBER     REASON             WHY                    DATA AGE',
      'member-a   InsufficientGpus   needs 8 GPUs, 5 free   3s',
      'member-b   MemberNotReady     is disconnected        never heard',
      '',
    ]);
  });

  it.each([
    [[], 'team-a'],
    [['-n', 'team-z'], 'team-z'],
    [['--context', 'other'], 'team-b'],
  ])('asks with %j about the job in namespace %s', async (flags, namespace) => {
    explaining(report);
    await rig.run('explain', 'train', ...flags);
    expect(rig.requests.map(({ path }) => path)).toEqual([
      `/apis/subresources.lumbung.dev/v1alpha1/namespaces/${namespace}/computejobs/train/explain`,
    ]);
  });

  it.each(['json', 'yaml'])('hands the report on untouched as %s', async (format) => {
    explaining({ ...report, fieldOfTheFuture: { deep: [1] } });
    const { out } = await rig.run('explain', 'train', '-o', format);
    expect(format === 'json' ? JSON.parse(out) : parse(out)).toEqual({ ...report, fieldOfTheFuture: { deep: [1] } });
  });

  it('prints the smallest hint, the problems and where a run is, when the hub says so', async () => {
    explaining({
      phase: 'Running',
      summary: 'has a place',
      hint: 'ask for 5 workers',
      run: { attempt: 2, member: 'member-a', message: '' },
      problems: [{ path: 'spec.workers', message: 'must be at least 1' }],
    });
    const { out } = await rig.run('explain', 'train');
    expect(out).toContain('Attempt 2 on member-a: nothing more to say');
    expect(out).toContain('spec.workers: must be at least 1');
    expect(out).toContain('Smallest change that would let it start: ask for 5 workers');
    expect(out).not.toContain('MEMBER');
  });

  it('prints what it can of a report that says next to nothing', async () => {
    explaining({ members: [{}] });
    const { code, out } = await rig.run('explain', 'train');
    expect(code).toBe(EXIT.ok);
    expect(out).toBe(
      'Unknown: the hub gives no reason\n\nMEMBER   REASON   WHY   DATA AGE\n-        -              never heard\n',
    );
  });

  it('takes no text of a member for a command to the terminal', async () => {
    explaining({ ...report, members: [{ ...report.members[0], message: 'a\u001b[2Jb\nc' }] });
    const { out } = await rig.run('explain', 'train');
    expect(out).not.toContain('\u001b');
    expect(out).toContain('a [2Jb c');
  });

  it.each([[null], ['text'], [3]])('does not show %j as an explanation', async (body) => {
    explaining(body);
    const ran = await rig.run('explain', 'train');
    expect(ran).toMatchObject({ code: EXIT.failed, out: '' });
    expect(ran.notes).toContain('no explanation');
  });

  it('exits 3 for a job that the hub does not know', async () => {
    rig.answer = (_request, response) => sendStatus(response, 404, 'NotFound', 'computejobs.lumbung.dev "x" not found');
    expect(await rig.run('explain', 'x')).toMatchObject({ code: EXIT.notFound, out: '' });
  });
});
