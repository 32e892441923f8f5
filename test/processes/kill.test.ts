import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Federation } from '../support/federation.ts';
import { reportIntervalMs, secondsAgent, secondsHub, secondsPool } from '../support/jobs.ts';
import { killRounds } from '../support/kill-rounds.ts';
import { buildWithoutFencing } from '../support/mutated-build.ts';
import { applyObjects } from '../support/yaml-objects.ts';

const rounds = Number(process.env['KILL_ROUNDS'] ?? 50);
const seed = Number(process.env['SEED'] ?? 20261123);
const members = ['north', 'south', 'east'].map((name) => ({
  name,
  jurisdiction: 'ID',
  nodes: [{ name: `${name}-1`, gpuModel: 'H100-80GB', gpus: 8 }],
}));

async function start(dist?: string): Promise<Federation> {
  const federation = await Federation.start({
    members,
    hubSettings: secondsHub,
    agentSettings: secondsAgent,
    ...(dist === undefined ? {} : { dist }),
  });
  await applyObjects(federation.hubCluster.client, secondsPool('faults', ['team-a']));
  return federation;
}

describe('kill -9 of hub or agent at random points of a run', () => {
  let federation: Federation;

  beforeAll(async () => {
    federation = await start();
  });

  afterAll(async () => {
    await federation.stop();
  });

  it(`never has two live fences of a job and loses no completion in ${rounds} rounds`, async () => {
    const result = await killRounds({
      federation,
      pool: 'faults',
      namespace: 'team-a',
      rounds,
      seed,
      log: console.log,
    });
    const sorted = [...result.convergenceMs].sort((a, b) => a - b);
    console.log(
      `${result.jobs} jobs, ${result.fences} fences, worst convergence ${sorted.at(-1) ?? 0} ms, median ${sorted[Math.floor(sorted.length / 2)] ?? 0} ms`,
    );
    expect(result.overlaps).toEqual([]);
    expect(result.lost).toEqual([]);
    expect(result.unfinished).toEqual([]);
    // Two report intervals, and one look of ours (100 ms) with what it costs on a busy machine.
    expect(sorted.at(-1) ?? 0).toBeLessThanOrEqual(2 * reportIntervalMs + 500);
  });
});

describe('the same rounds with fencing switched off', () => {
  let federation: Federation;

  beforeAll(async () => {
    federation = await start(await buildWithoutFencing());
  });

  afterAll(async () => {
    await federation.stop();
  });

  it('are found out: two fences of a job live together', async () => {
    const result = await killRounds({
      federation,
      pool: 'faults',
      namespace: 'team-a',
      rounds: 20,
      seed,
      log: console.log,
      stopAtOverlap: true,
    });
    expect(result.overlaps.length).toBeGreaterThan(0);
  });
});
