import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configMaps, pods, secrets, services } from '../../../src/platform/kube/builtin-resources.ts';
import { isKubeError } from '../../../src/platform/kube/kube-error.ts';
import { conditionOf } from '../../../src/sandbox/cluster/objects/pod.ts';
import type { Container, Pod, PodSpec } from '../../../src/sandbox/cluster/objects/pod.ts';
import { groupIsAlive } from '../../../src/sandbox/cluster/kubelet/process-groups.ts';
import { eventually } from '../../support/eventually.ts';
import { gpus, namespace, shell, startCluster } from './running-cluster.ts';
import type { RunningCluster } from './running-cluster.ts';

let run: RunningCluster;

beforeAll(async () => {
  run = await startCluster();
});

afterAll(async () => {
  await run.stop();
  expect(run.errors).toEqual([]);
});

async function phase(name: string, want: string): Promise<Pod> {
  return eventually(
    async () => {
      const pod = await run.pod(name);
      return pod?.status?.phase === want && pod;
    },
    { what: `pod ${name} is ${want}` },
  );
}

async function ended(name: string, spec: Partial<PodSpec>, metadata?: Partial<Pod['metadata']>): Promise<Pod> {
  await run.createPod(name, spec, metadata);
  return eventually(
    async () => {
      const pod = await run.pod(name);
      return (pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed') && pod;
    },
    { what: `pod ${name} has ended` },
  );
}

function terminated(pod: Pod, container = 'main') {
  return pod.status?.containerStatuses?.find(({ name }) => name === container)?.state.terminated;
}

async function gone(name: string): Promise<void> {
  await eventually(async () => (await run.pod(name)) === undefined, { what: `pod ${name} is gone` });
}

describe('pods', () => {
  it('run their program with boards of their own and report how it ended', async () => {
    const pod = await ended('gpu', shell('echo "$NVIDIA_VISIBLE_DEVICES"; exit 3', gpus(2)));
    expect(pod.status?.phase).toBe('Failed');
    expect(terminated(pod)).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(pod.status?.podIP).toMatch(/^127\.\d+\.\d+\.\d+$/);
    const boards = (await run.logs('gpu')).trim().split(',');
    expect(boards).toHaveLength(2);
    expect(boards.every((board) => board.startsWith('GPU-'))).toBe(true);
    expect(conditionOf(pod, 'PodScheduled')?.status).toBe('True');
  });

  it('get Secrets, ConfigMaps, fields and their volumes, with mount paths that work', async () => {
    const data = { mode: 'fast' };
    await run.client.create(configMaps, { metadata: { name: 'settings', namespace }, data } as never);
    const token = Buffer.from('s3cret').toString('base64');
    await run.client.create(secrets, { metadata: { name: 'keys', namespace }, data: { token } } as never);
    const container: Container = {
      name: 'main',
      image: 'i',
      command: ['sh', '/scripts/go.sh', '/scratch/out.txt'],
      workingDir: '/scratch',
      env: [
        { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
        { name: 'ME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'GREETING', value: '$(ME) says $(TOKEN)' },
        { name: 'WHERE', value: '/etc/settings/mode' },
      ],
      volumeMounts: [
        { name: 'scratch', mountPath: '/scratch' },
        { name: 'settings', mountPath: '/etc/settings' },
        { name: 'scripts', mountPath: '/scripts' },
      ],
    };
    const script = [
      'echo "$GREETING" > "$1"',
      'cat "$1" "$WHERE"; echo',
      'cat "$LUMBUNG_SANDBOX_ROOT/etc/settings/mode"; echo',
      'test "$(pwd -P)" = "$(cd "$LUMBUNG_SANDBOX_ROOT/scratch" && pwd -P)" && echo here',
    ].join('\n');
    await run.client.create(configMaps, {
      metadata: { name: 'scripts', namespace },
      data: { 'go.sh': script },
    } as never);
    const pod = await ended('volumes', {
      containers: [container],
      volumes: [
        { name: 'scratch', emptyDir: {} },
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'scripts', configMap: { name: 'scripts' } },
      ],
    });
    expect(await run.logs('volumes')).toBe('volumes says s3cret\nfast\nfast\nhere\n');
    expect(pod.status?.phase).toBe('Succeeded');
  });

  it('wait for what they refer to and say so, then start', async () => {
    await run.createPod('waits', {
      containers: [{ name: 'main', image: 'i', command: ['true'], envFrom: [{ configMapRef: { name: 'late' } }] }],
    });
    await eventually(
      async () => {
        const state = (await run.pod('waits'))?.status?.containerStatuses?.[0]?.state.waiting;
        return state?.reason === 'CreateContainerConfigError' && state.message === 'configmap "late" not found';
      },
      { what: 'the pod says what it waits for' },
    );
    await run.client.create(configMaps, { metadata: { name: 'late', namespace }, data: {} } as never);
    await phase('waits', 'Succeeded');
  });

  it('run init containers in order before the rest, and fail without them', async () => {
    const init = (name: string, script: string): Container => ({
      name,
      image: 'i',
      command: ['sh', '-c', script],
      volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
    });
    const volumes = [{ name: 'shared', emptyDir: {} }];
    const file = '"$LUMBUNG_SANDBOX_ROOT/shared/steps"';
    const good = await ended('init', {
      volumes,
      initContainers: [init('one', `echo one >> ${file}`), init('two', `echo two >> ${file}`)],
      containers: [{ ...init('main', `cat ${file}`) }],
    });
    expect(good.status?.phase).toBe('Succeeded');
    expect(await run.logs('init', 'container=main')).toBe('one\ntwo\n');
    const bad = await ended('init-bad', {
      volumes,
      initContainers: [init('one', 'exit 4')],
      containers: [init('main', 'true')],
    });
    expect(bad.status?.phase).toBe('Failed');
    expect(bad.status?.initContainerStatuses?.[0]?.state.terminated?.exitCode).toBe(4);
    expect(terminated(bad)).toBeUndefined();
  });

  it('keep sidecars from before the first container until after the last', async () => {
    const volumes = [{ name: 'shared', emptyDir: {} }];
    const mounts = { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] };
    const sidecar: Container = {
      name: 'helper',
      image: 'i',
      restartPolicy: 'Always',
      command: [
        'sh',
        '-c',
        'trap "exit 0" TERM; touch "$LUMBUNG_SANDBOX_ROOT/shared/up"; while true; do sleep 0.02; done',
      ],
      ...mounts,
    };
    const main = 'until [ -e "$LUMBUNG_SANDBOX_ROOT/shared/up" ]; do sleep 0.02; done; echo saw it';
    const pod = await ended('sidecar', { volumes, initContainers: [sidecar], ...shell(main, mounts) });
    expect(pod.status?.phase).toBe('Succeeded');
    expect(await run.logs('sidecar', 'container=main')).toBe('saw it\n');
    expect(pod.status?.initContainerStatuses?.[0]?.state.terminated?.exitCode).toBe(0);
  });

  it('restart as their policy says, with back-off, earlier logs at hand', async () => {
    const marker = '"$LUMBUNG_SANDBOX_ROOT/keep/again"';
    const pod = await ended('restarts', {
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'keep', emptyDir: {} }],
      ...shell(`if [ -e ${marker} ]; then echo second; sleep 0.3; else touch ${marker}; echo first; exit 1; fi`, {
        volumeMounts: [{ name: 'keep', mountPath: '/keep' }],
      }),
    });
    expect(pod.status?.phase).toBe('Succeeded');
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 1 } },
    });
    expect(await run.logs('restarts')).toBe('second\n');
    expect(await run.logs('restarts', 'previous=true')).toBe('first\n');
  });

  it('say what they leave as their last word', async () => {
    const written = await ended('message', {
      containers: [
        { name: 'main', image: 'i', command: ['sh', '-c', 'echo done > "$1"; exit 2', 'sh', '/dev/termination-log'] },
      ],
    });
    expect(terminated(written)?.message).toBe('done\n');
    const fallback = await ended(
      'message-log',
      shell('echo the reason; exit 2', { terminationMessagePolicy: 'FallbackToLogsOnError' }),
    );
    expect(terminated(fallback)?.message).toBe('the reason\n');
  });

  it.each<[string, Partial<Container>, string]>([
    ['no-image', { image: 'reg/x:does-not-exist' }, 'ImagePullBackOff'],
    ['no-command', { command: [] }, 'CreateContainerError'],
  ])('that cannot start (%s) wait with a reason', async (name, container, reason) => {
    await run.createPod(name, { containers: [{ name: 'main', image: 'i', command: ['true'], ...container }] });
    await eventually(
      async () => (await run.pod(name))?.status?.containerStatuses?.[0]?.state.waiting?.reason === reason,
      { what: `${name} waits with ${reason}` },
    );
    await run.deletePod(name, 0);
    await gone(name);
  });

  it('fail when their program does not exist', async () => {
    const pod = await ended('no-program', { containers: [{ name: 'main', image: 'i', command: ['no-such'] }] });
    expect(terminated(pod)).toMatchObject({ exitCode: 128, reason: 'StartError' });
    expect(terminated(pod)?.message).toContain('executable file not found');
  });

  it('end on deletion by SIGTERM, and their object goes only after their processes', async () => {
    await run.createPod('polite', shell('trap "sleep 0.2; exit 0" TERM; echo up; while true; do sleep 0.02; done'));
    await eventually(async () => (await run.logs('polite')) === 'up\n', { what: 'polite is up' });
    const { pid } = run.cluster.processes().find(({ pod }) => pod === 'polite')!;
    await run.deletePod('polite');
    expect(await groupIsAlive(pid)).toBe(true);
    await gone('polite');
    expect(await groupIsAlive(pid)).toBe(false);
  });

  it('that ignore SIGTERM are killed when their grace ends, and keep their boards until then', async () => {
    const script = "trap '' TERM; echo up; while true; do sleep 0.02; done";
    await run.createPod('stubborn', { ...shell(script, gpus(8)), terminationGracePeriodSeconds: 1 });
    await eventually(async () => (await run.logs('stubborn')) === 'up\n', { what: 'stubborn is up' });
    await run.createPod('next', shell('echo "$NVIDIA_VISIBLE_DEVICES"', gpus(8)));
    await run.deletePod('stubborn');
    expect(new Set(run.cluster.heldBoards().values()).size).toBe(1);
    await phase('next', 'Succeeded');
    expect(await run.pod('stubborn')).toBeUndefined();
    await eventually(() => run.cluster.heldBoards().size === 0, { what: 'all boards are free' });
  });

  it('are ended by their own deadline', async () => {
    const spec = { ...shell('echo up; sleep 100'), activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 1 };
    const pod = await ended('deadline', spec);
    expect(pod.status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
    expect(terminated(pod)?.exitCode).toBe(143);
  });

  it('are put in the API server’s order: forced removal still kills', async () => {
    await run.createPod('forced', shell('echo up; sleep 100'));
    await eventually(async () => (await run.logs('forced')) === 'up\n', { what: 'forced is up' });
    const { pid } = run.cluster.processes().find(({ pod }) => pod === 'forced')!;
    await run.deletePod('forced', 0);
    expect(await run.pod('forced')).toBeUndefined();
    await eventually(async () => !(await groupIsAlive(pid)), { what: 'its process is gone' });
  });

  it('leave no file behind', async () => {
    const list = await run.client.list<Pod>(pods, { namespace });
    for (const pod of list.items) await run.deletePod(pod.metadata.name!, 0);
    await eventually(async () => (await readdir(join(run.dataDir, 'pods'))).length === 0, {
      what: 'no pod folder is left',
    });
  });

  it('keep what they put on the member’s own disk', async () => {
    await ended('disk', {
      volumes: [{ name: 'host', hostPath: { path: '/models' } }],
      containers: [
        {
          name: 'main',
          image: 'i',
          command: ['sh', '-c', 'echo weights > "$1"', 'sh', '/m/weights.bin'],
          volumeMounts: [{ name: 'host', mountPath: '/m' }],
        },
      ],
    });
    expect(await readFile(join(run.dataDir, 'disk', 'models', 'weights.bin'), 'utf8')).toBe('weights\n');
  });
});

describe('pod logs', () => {
  it('are followed from the first line to the last', async () => {
    await run.createPod('talks', shell('for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done'));
    await phase('talks', 'Running');
    expect(await run.logs('talks', 'follow=true')).toBe('line 1\nline 2\nline 3\nline 4\nline 5\n');
    expect(await run.logs('talks', 'tailLines=1&timestamps=true')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z line 5\n$/);
  });

  it.each([
    ['talks', 'container=nope', 400, 'container nope is not valid for pod talks'],
    ['talks', 'previous=true', 400, 'previous terminated container "main" in pod "talks" not found'],
    ['talks', 'tailLines=-1', 422, 'tailLines'],
    ['talks', 'limitBytes=many', 400, 'limitBytes'],
    ['absent', '', 404, 'pods "absent" not found'],
  ])('of %s?%s are refused with %d', async (pod, query, status, message) => {
    const failure: unknown = await run.logs(pod, query).catch((error: unknown) => error);
    expect(isKubeError(failure) && failure.status).toBe(status);
    expect(isKubeError(failure) && failure.message).toContain(message);
  });

  it('need a container’s name where there are several', async () => {
    const container = { image: 'i', command: ['true'] };
    await ended('two', {
      containers: [
        { name: 'a', ...container },
        { name: 'b', ...container },
      ],
    });
    await expect(run.logs('two')).rejects.toThrow('choose one of: [a b]');
  });
});

describe('rendezvous', () => {
  it('lets workers find each other by their Service’s names, on equal ports', async () => {
    await run.client.create(services, {
      metadata: { name: 'gang', namespace },
      spec: { clusterIP: 'None', selector: { gang: 'g' }, publishNotReadyAddresses: true },
    } as never);
    const metadata = { labels: { gang: 'g' } };
    const env = [
      { name: 'MASTER_ADDR', value: `rank-0.gang.${namespace}.svc.cluster.local` },
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    ];
    const node = (script: string): Container[] => [{ name: 'main', image: 'i', command: ['node', '-e', script], env }];
    const client = `require('net').connect(29500, process.env.MASTER_ADDR).on('data', (d) => console.log(String(d)))
      .on('error', () => setTimeout(() => process.exit(9), 10))`;
    const restartPolicy = 'OnFailure' as const;
    await run.createPod(
      'rank-1',
      { hostname: 'rank-1', subdomain: 'gang', restartPolicy, containers: node(client) },
      metadata,
    );
    await eventually(async () => (await run.pod('rank-1'))?.spec.nodeName !== undefined, { what: 'rank 1 is placed' });
    const server = `require('net').createServer((s) => { s.end('hello from ' + process.env.POD_IP); setTimeout(() => process.exit(0), 50); })
      .listen(29500, process.env.POD_IP)`;
    await run.createPod('rank-0', { hostname: 'rank-0', subdomain: 'gang', containers: node(server) }, metadata);
    await phase('rank-1', 'Succeeded');
    const first = await run.pod('rank-0');
    expect(await run.logs('rank-1')).toBe(`hello from ${first?.status?.podIP}\n`);
    expect((await run.pod('rank-1'))?.status?.podIP).not.toBe(first?.status?.podIP);
  });
});
