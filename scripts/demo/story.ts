/** The story that the demo tells on a federation, chapter by chapter. It does and shows; promises.ts judges. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GPU_POOL_RESOURCE } from '../../src/api/v1alpha1/gpu-pool.ts';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { pods } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { Federation, FederationMember } from '../../test/support/federation.ts';
import type { ObjectStore } from '../../test/support/object-store.ts';
import { readDiaries } from '../../test/support/worker-diary.ts';
import { applyFile, applyObjects, readObjects } from '../../test/support/yaml-objects.ts';
import type { Narrator } from './narrator.ts';
import type { Evidence } from './promises.ts';

const samples = 'manifests/samples';
/** Leases in seconds, so that nobody watches a demo for 44 minutes. replaceAfter >= duration x 1.02 + grace + margin. */
export const demoLease = {
  duration: '10s',
  terminationGrace: '1s',
  margin: '1s',
  maxClockDriftPercent: 1,
  replaceAfter: '13s',
};
const fenceBoundMs = 13_000;
export const reclaimGraceMs = 3_000;

export interface StoryDeps {
  readonly federation: Federation;
  readonly store: ObjectStore;
  readonly narrator: Narrator;
}

const succeeded = (status: ComputeJobStatus): boolean =>
  status.conditions?.some((condition) => condition.type === 'Succeeded' && condition.status === 'True') === true;
const running = (status: ComputeJobStatus): boolean => status.phase === 'Running';

export async function tellStory(deps: StoryDeps): Promise<Evidence> {
  await openPool(deps);
  const singleProcessDigest = await trainTogether(deps);
  const waiting = await waitAndExplain(deps);
  const owner = await giveBack(deps);
  const agentDead = await killAgent(deps);
  await killHub(deps);
  const { narrator, federation, store } = deps;
  narrator.chapter('Everything finishes');
  for (const name of ['keep-and-wait', 'fenced']) {
    await federation.whenJob('team-a', name, succeeded, 45_000);
    narrator.say(`${name} succeeded`);
  }
  const jobs: Record<string, { readonly uid: string; readonly status: ComputeJobStatus }> = {};
  for (const name of ['training', 'resumable', 'keep-and-wait', 'fenced']) {
    const job = await federation.job('team-a', name);
    jobs[name] = { uid: job.metadata.uid ?? '', status: job.status ?? {} };
  }
  return {
    disks: federation.disks,
    jobs,
    singleProcessDigest,
    ...owner,
    ownerGraceMs: reclaimGraceMs,
    checkpointKeys: store.list().map((object) => object.key),
    agentDead,
    fenceBoundMs,
    waiting,
    hubWasKilled: true,
  };
}

async function openPool({ federation, narrator }: StoryDeps): Promise<void> {
  narrator.chapter('Three organisations lend what stands idle');
  await applyFile(federation.hubCluster.client, `${samples}/pool.yaml`);
  await federation.hubCluster.client.mergePatch(
    { type: GPU_POOL_RESOURCE, name: 'research' },
    { spec: { lease: demoLease } },
  );
  await eventually(
    async () => {
      const { items } = await federation.hubCluster.client.list<
        KubeObject & { readonly status?: { readonly members?: unknown } }
      >(GPU_POOL_RESOURCE);
      return items[0]?.status !== undefined;
    },
    { what: 'the pool has a status' },
  );
  narrator.say('$ lumbung member list');
  narrator.quote((await federation.lumbung('member', 'list')).stdout);
}

/** Returns the digest that one process alone computes. */
async function trainTogether({ federation, narrator }: StoryDeps): Promise<string> {
  narrator.chapter('A gang of four trains one model');
  narrator.say(`$ kubectl apply -f ${samples}/training.yaml`);
  await applyFile(federation.hubCluster.client, `${samples}/training.yaml`);
  const status = await federation.whenJob('team-a', 'training', succeeded);
  narrator.say(
    `training succeeded on ${status.history?.at(-1)?.member ?? status.placements?.[0]?.member ?? 'a member'}`,
  );
  narrator.say('$ lumbung logs training -n team-a');
  const log = await federation.lumbung('logs', 'training', '-n', 'team-a');
  narrator.quote(log.code === 0 ? log.stdout : log.stderr);
  return trainAlone(federation.dir);
}

/** The very code of the ConfigMap, in one process, without any of Lumbung. */
async function trainAlone(dir: string): Promise<string> {
  const objects = await readObjects(`${samples}/training.yaml`);
  const code = objects.find((object) => object.kind === 'ConfigMap') as KubeObject & {
    readonly data: Readonly<Record<string, string>>;
  };
  const folder = join(dir, 'alone');
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(code.data)) await writeFile(join(folder, name), text);
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'train.mjs')], {
    env: { STEPS: '60', LUMBUNG_SANDBOX_DISK: folder },
  });
  return /weights ([0-9a-f]+)/.exec(stdout)?.[1] ?? 'none';
}

async function waitAndExplain({ federation, narrator }: StoryDeps): Promise<Evidence['waiting']> {
  narrator.chapter('A job that is too big waits, and says why');
  narrator.say(`$ kubectl apply -f ${samples}/waiting.yaml`);
  await applyFile(federation.hubCluster.client, `${samples}/waiting.yaml`);
  const status = await federation.whenJob('team-b', 'too-big', (now) => now.queue?.reason !== undefined);
  narrator.say('$ lumbung explain too-big -n team-b');
  const explained = await federation.lumbung('explain', 'too-big', '-n', 'team-b');
  narrator.quote(explained.code === 0 ? explained.stdout : explained.stderr);
  const json = await federation.lumbung('explain', 'too-big', '-n', 'team-b', '-o', 'json');
  const { members = [] } = JSON.parse(json.code === 0 ? json.stdout : '{}') as {
    readonly members?: readonly { readonly message: string }[];
  };
  const numbered = members.filter((member) => /\d/.test(member.message));
  return { reason: status.queue?.reason ?? '', message: status.queue?.message ?? '', members: numbered.length };
}

async function giveBack({ federation, store, narrator }: StoryDeps): Promise<Pick<Evidence, 'ownerPodRunningAfterMs'>> {
  narrator.chapter('An owner takes its GPUs back; the job goes on elsewhere');
  const { client } = federation.hubCluster;
  const [secret] = await readObjects(`${samples}/checkpoint-store-secret.yaml`);
  if (secret === undefined) throw new Error('the sample of the Secret is empty');
  const keys = { CHECKPOINT_URL: store.url, CHECKPOINT_KEY_ID: store.keyId, CHECKPOINT_SECRET: store.secret };
  await applyObjects(client, [{ ...secret, stringData: keys } as KubeObject]);
  narrator.say(`$ kubectl apply -f ${samples}/resumable.yaml`);
  await applyFile(client, `${samples}/resumable.yaml`);
  const status = await federation.whenJob('team-a', 'resumable', running);
  const member = federation.member(status.run?.member ?? '');
  await eventually(() => store.list().length >= 2, { what: 'two checkpoints are saved', withinMs: 15_000 });
  narrator.say(
    `resumable runs on ${member.name} and has saved ${store.list().length} checkpoints; now ${member.name}'s owner needs its GPUs`,
  );
  const ownerPodRunningAfterMs = await startOwnerPod(member);
  narrator.say(`the owner's pod runs after ${(ownerPodRunningAfterMs / 1000).toFixed(1)} s`);
  const after = await federation.whenJob('team-a', 'resumable', (now) => (now.run?.fence ?? 0) >= 2, 30_000);
  narrator.say(
    `resumable was ended as ${after.history?.at(-1)?.cause ?? '?'} and is placed on ${after.run?.member ?? '?'} with fence ${after.run?.fence ?? '?'}`,
  );
  await federation.whenJob('team-a', 'resumable', succeeded, 45_000);
  const resumed = (await readDiaries(federation.disks)).find((event) => event.event === 'resumed');
  narrator.say(`resumable went on at step ${resumed?.step ?? '?'} and succeeded`);
  await member.client.delete(
    { type: pods, namespace: 'radiology', name: 'night-batch' },
    { propagationPolicy: 'Background', gracePeriodSeconds: 0 },
  );
  return { ownerPodRunningAfterMs };
}

async function startOwnerPod(member: FederationMember): Promise<number> {
  const started = performance.now();
  await applyFile(member.client, `${samples}/owner-pod.yaml`);
  await eventually(
    async () => {
      const pod = await member.client.get<KubeObject & { readonly status?: { readonly phase?: string } }>({
        type: pods,
        namespace: 'radiology',
        name: 'night-batch',
      });
      return pod.status?.phase === 'Running';
    },
    { what: `the owner's pod runs on ${member.name}`, withinMs: 20_000, everyMs: 20 },
  );
  return performance.now() - started;
}

async function killAgent({ federation, narrator }: StoryDeps): Promise<Evidence['agentDead']> {
  narrator.chapter('An agent is killed');
  narrator.say(`$ kubectl apply -f ${samples}/on-partition.yaml`);
  await applyFile(federation.hubCluster.client, `${samples}/on-partition.yaml`);
  const kept = await federation.whenJob('team-a', 'keep-and-wait', running);
  const fenced = await federation.whenJob('team-a', 'fenced', running);
  const home = fenced.run?.member ?? '';
  if (kept.run?.member !== home) narrator.say(`(they run on ${kept.run?.member ?? '?'} and ${home}; both agents die)`);
  const victims = [...new Set([kept.run?.member ?? home, home])].map((name) => federation.member(name));
  // The Job controller must have seen the deadline that will stop the fenced run: the hub says so before it counts on it.
  await federation.whenJob('team-a', 'fenced', (now) => now.run?.deadlineArmed === true);
  const fromMs = Date.now();
  for (const victim of victims) await victim.agent.kill();
  narrator.say(
    `kill -9 of the agent on ${victims.map((victim) => victim.name).join(', ')}; its runs: keep-and-wait (KeepAndWait) and fenced (Fence)`,
  );
  const replaced = await federation.whenJob('team-a', 'fenced', (now) => (now.run?.fence ?? 0) >= 2, 40_000);
  narrator.say(
    `fenced: its lease ended, the member's Job controller stopped it, and it is placed on ${replaced.run?.member ?? '?'}`,
  );
  const toMs = Date.now();
  for (const victim of victims) victim.agent.start();
  for (const victim of victims) await federation.whenConnected(victim.name);
  const adopted = (await federation.job('team-a', 'keep-and-wait')).status;
  narrator.say(
    `the agent is back; keep-and-wait never stopped and still has fence ${adopted?.run?.fence ?? adopted?.highestFence ?? '?'}`,
  );
  return { fromMs, toMs };
}

async function killHub({ federation, narrator }: StoryDeps): Promise<void> {
  narrator.chapter('The hub is killed');
  await federation.hub.kill();
  narrator.say('kill -9 of the hub; the members go on');
  const before = (await readDiaries(federation.disks)).length;
  await eventually(async () => (await readDiaries(federation.disks)).length > before + 5, {
    what: 'workers go on without a hub',
  });
  federation.hub.start();
  for (const name of federation.members.keys()) await federation.whenConnected(name);
  narrator.say('the hub is back, and every member has found it');
}
