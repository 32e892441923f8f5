import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secrets } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  isFailed,
  isRunning,
  isSucceeded,
  namespace,
} from '../support/in-process-federation.ts';
import { eventually } from '../support/eventually.ts';

/** Must be seen by the container alone. */
const canary = `canary${randomBytes(15).toString('hex')}`;
const canarySha256 = createHash('sha256').update(canary).digest('hex');

let federation: InProcessFederation;
beforeAll(async () => {
  federation = await InProcessFederation.start({
    members: [
      { name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 8 }], runtime: 'processes' },
      {
        name: 'discreet',
        nodes: [{ name: 'n-1', gpuModel: 'L4', gpus: 1 }],
        runtime: 'processes',
        policy: { logs: 'Forbidden', finishedRetention: '0s' },
      },
      {
        name: 'forgetful',
        nodes: [{ name: 'n-1', gpuModel: 'A10', gpus: 1 }],
        runtime: 'processes',
        policy: { finishedRetention: '0s' },
      },
    ],
  });
  const inTeam = (name: string) => ({ name, namespace: 'team-a' });
  await federation.apply(
    namespace('team-a'),
    aPool({ name: 'research', tenants: { 'team-a': 1 } }),
    { apiVersion: 'v1', kind: 'Secret', metadata: inTeam('store'), stringData: { key: canary } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: inTeam('settings'),
      data: { MODE: 'fast', 'code.sh': 'echo code' },
    },
  );
});
afterAll(() => federation.stop());

const on = (model: string) => ({ gpu: { models: [model] } });

async function log(name: string, ...more: readonly string[]): Promise<string> {
  return federation.lumbung('logs', name, '-n', 'team-a', ...more);
}

describe.concurrent('the work itself, as processes', () => {
  it('gets ConfigMaps and Secrets by variable and by file, and their values are said nowhere', async () => {
    const script = [
      `test "$(printf %s "$KEY" | sha256sum | cut -c1-64)" = ${canarySha256}`,
      'echo the variable is right',
      `test "$(sha256sum < "$LUMBUNG_SANDBOX_ROOT/keys/key" | cut -c1-64)" = ${canarySha256}`,
      'echo the file is right, mode is $MODE',
      'sh "$LUMBUNG_SANDBOX_ROOT/code/code.sh"',
      'sleep 600',
    ];
    const job = aJob({
      key: 'team-a/references',
      pool: 'research',
      spec: { ...on('T4'), checkpointGrace: '1s' },
      container: {
        command: ['sh', '-c', script.join(' && ')],
        env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'store', key: 'key' } } }],
        envFrom: [{ configMapRef: { name: 'settings' } }],
        volumeMounts: [
          { name: 'keys', mountPath: '/keys' },
          { name: 'code', mountPath: '/code' },
        ],
      },
      podSpec: {
        volumes: [
          { name: 'keys', secret: { secretName: 'store' } },
          { name: 'code', configMap: { name: 'settings' } },
        ],
      },
    });
    await federation.apply(job);
    await federation.whenJob('team-a/references', isRunning);
    await eventually(async () => (await log('references')).includes('code'), { what: 'the worker has said all' });
    expect(await log('references')).toBe('the variable is right\nthe file is right, mode is fast\ncode\n');
    // A copy for this run alone, which goes with it.
    const { client } = federation.member('north');
    const { uid = '' } = (await federation.job('team-a', 'references')).metadata;
    const copies = { labelSelector: `lumbung.dev/job-uid=${uid}` };
    const { items } = await client.list<KubeObject & { readonly data?: Readonly<Record<string, string>> }>(
      secrets,
      copies,
    );
    expect(items.map((secret) => secret.data)).toEqual([{ key: Buffer.from(canary).toString('base64') }]);
    const said = await federation.everythingSaid();
    expect(said).toContain('references');
    for (const spelling of [canary, Buffer.from(canary).toString('base64'), Buffer.from(canary).toString('hex')]) {
      expect(said.includes(spelling)).toBe(false);
    }
    await federation.patchJob('team-a', 'references', { suspend: true });
    await federation.whenJob('team-a/references', (now) => now.phase === 'Suspended');
  });

  it('with a reference to nothing says so by name, and fails', async () => {
    const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'not-there', key: 'k' } } }];
    await federation.apply(aJob({ key: 'team-a/dangling', pool: 'research', spec: on('T4'), container: { env } }));
    const failed = await federation.whenJob('team-a/dangling', isFailed);
    expect(failed.history).toMatchObject([{ cause: 'ReferenceNotFound' }]);
    expect(failed.history?.[0]?.message).toContain('Secret team-a/not-there');
  });

  it(
    'that exits with a code is told by it, and the logs of both attempts can be read',
    { timeout: 40_000 },
    async () => {
      const script =
        'echo attempt $LUMBUNG_ATTEMPT fence $LUMBUNG_FENCE on $LUMBUNG_MEMBER; test $LUMBUNG_ATTEMPT = 2 || exit 7';
      await federation.apply(aJob({ key: 'team-a/twice', pool: 'research', spec: on('T4'), script }));
      const first = await federation.whenJob('team-a/twice', (now) => now.history?.length === 1);
      expect(first.history).toMatchObject([{ cause: 'NonZeroExit', outcome: 'Failed' }]);
      expect(first.history?.[0]?.message).toContain('exited 7');
      const done = await federation.whenJob('team-a/twice', isSucceeded, 30_000);
      expect(done).toMatchObject({ retriesUsed: 1, history: [{ attempt: 1 }, { attempt: 2, outcome: 'Succeeded' }] });
      expect(await log('twice', '--attempt', '1')).toBe('attempt 1 fence 1 on north\n');
      expect(await log('twice', '--attempt', '2')).toBe('attempt 2 fence 2 on north\n');
      expect(await log('twice')).toBe('attempt 2 fence 2 on north\n');
      const third = await federation.cli('logs', 'twice', '-n', 'team-a', '--attempt', '3');
      expect(third).toMatchObject({ code: 3, err: expect.stringContaining('no attempt 3') as string });
    },
  );

  it('is followed while it runs, each worker by itself', async () => {
    const script = 'echo worker $RANK of $WORLD_SIZE; sleep 0.5; echo done';
    await federation.apply(aJob({ key: 'team-a/gang', pool: 'research', spec: { ...on('T4'), workers: 2 }, script }));
    await federation.whenJob('team-a/gang', (now) => now.run?.acceptedAt !== undefined || isSucceeded(now));
    await federation.whenJob('team-a/gang', (now) => isRunning(now) || isSucceeded(now));
    const both = await Promise.all([log('gang', '-f', '--worker', '0'), log('gang', '-f', '--worker', '1')]);
    expect(both).toEqual(['worker 0 of 2\ndone\n', 'worker 1 of 2\ndone\n']);
    const none = await federation.cli('logs', 'gang', '-n', 'team-a', '--worker', '2');
    expect(none.code).not.toBe(0);
    expect(none.err).toMatch(/worker 2/);
  });

  it('keeps its logs to itself where the owner forbids them', async () => {
    await federation.apply(
      aJob({ key: 'team-a/discreet', pool: 'research', spec: on('L4'), script: 'echo hidden; sleep 600' }),
    );
    await federation.whenJob('team-a/discreet', isRunning);
    const refused = await federation.cli('logs', 'discreet', '-n', 'team-a');
    expect(refused.out).toBe('');
    expect(refused).toMatchObject({ code: 4 });
    await federation.patchJob('team-a', 'discreet', { suspend: true, checkpointGrace: '1s' });
  });

  it('has no logs any more once the owner no longer keeps them, and says so', async () => {
    await federation.apply(aJob({ key: 'team-a/forgotten', pool: 'research', spec: on('A10'), script: 'echo gone' }));
    await federation.whenJob('team-a/forgotten', isSucceeded);
    await eventually(
      async () => {
        const answer = await federation.cli('logs', 'forgotten', '-n', 'team-a');
        return answer.code !== 0 && /expired|no longer|gone|kept/i.test(answer.err);
      },
      { what: 'the log is said to have expired' },
    );
  });
});
