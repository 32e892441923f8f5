/** The keeper of runs on a sandbox cluster with real processes: rendezvous, references, logs, stopping, restart. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRunKeeper } from '../../src/agent/runs/create-run-keeper.ts';
import type { RunKeeper } from '../../src/agent/runs/run-keeper.ts';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { guestNamespace, runName } from '../../src/api/v1alpha1/child-names.ts';
import { GUEST_RUN_RESOURCE } from '../../src/api/v1alpha1/guest-run.ts';
import { MEMBER_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import type { Desired, DesiredContent } from '../../src/core/model/desired.ts';
import { memberName, runKey } from '../../src/core/model/ids.ts';
import type { RunOrder, RunReport } from '../../src/core/model/run.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { jobs, namespaces } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { createSinkLogger } from '../../src/platform/log/logger.ts';
import { createSealer, createSealingKey, seal } from '../../src/platform/pki/sealing.ts';
import { startCluster, type RunningCluster } from '../sandbox/cluster/running-cluster.ts';
import { anOrder } from '../support/agent-builders.ts';
import { eventually } from '../support/eventually.ts';
import { openInventory, openLending, RULES } from '../support/keeper-rig.ts';

const key = createSealingKey();
const lines: string[] = [];

describe('guests as real processes', () => {
  let world: RunningCluster;
  const keepers: { readonly keeper: RunKeeper; readonly beat: NodeJS.Timeout }[] = [];
  let counter = 0;

  beforeEach(async () => {
    lines.length = 0;
    world = await startCluster({
      nodes: [{ name: 'node-1', gpuModel: 'H100-80GB', gpus: 8 }],
      crds: MEMBER_KINDS.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    });
    await world.client.create(namespaces, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'lumbung-system' },
    });
  });
  afterEach(async () => {
    for (const one of keepers.splice(0)) await stop(one);
    await world.stop();
  });

  async function start(): Promise<RunKeeper> {
    const clock = systemClock();
    const keeper = createRunKeeper({
      client: world.client,
      clock,
      random: systemRandom(),
      logger: createSinkLogger('warn', (_level, message, fields) => lines.push(`${message} ${JSON.stringify(fields)}`)),
      inventory: openInventory(),
      lending: openLending({ ...RULES, podSecurity: 'baseline' }),
      sealer: createSealer(key.privateKeyPem),
      member: memberName('member-a'),
      namespace: 'lumbung-system',
      mayAct: () => true,
    });
    await keeper.start(new AbortController().signal);
    const beat = setInterval(() => {
      keeper.leaseAcknowledged(clock.read());
    }, 50);
    keepers.push({ keeper, beat });
    return keeper;
  }
  async function stop(one: { readonly keeper: RunKeeper; readonly beat: NodeJS.Timeout }): Promise<void> {
    clearInterval(one.beat);
    await one.keeper.stop();
  }
  function desire(keeper: RunKeeper, content: Partial<DesiredContent>): void {
    counter += 1;
    const generation: Desired['generation'] = { incarnation: 'hub', term: 1, counter };
    keeper.applyDesired({
      generation,
      runs: [],
      cancels: [],
      outcomeAcks: [],
      goneJobUids: [],
      cordoned: false,
      ...content,
    });
  }
  function reached(keeper: RunKeeper, order: RunOrder, phase: string): Promise<RunReport> {
    const look = (): RunReport | undefined =>
      keeper.reports().find((report) => runKey(report.id) === runKey(order.id) && report.phase === phase);
    return eventually(look, { what: `${phase}: ${JSON.stringify(keeper.reports())} ${lines.join('\n')}` }).catch(
      (error: unknown) => {
        throw new Error(`${phase}: ${JSON.stringify(keeper.reports())} ${lines.join('\n')}`, { cause: error });
      },
    );
  }
  async function logOf(keeper: RunKeeper, order: RunOrder, worker: number): Promise<string> {
    const opened = await keeper.openLog(
      { sessionId: 's', run: order.id, worker, container: '', follow: false, timestamps: false, user: 'u' },
      new AbortController().signal,
    );
    if (!opened.ok) return `${opened.error.reason}: ${opened.error.message}`;
    const parts: Uint8Array[] = [];
    for await (const part of opened.value) parts.push(part);
    return Buffer.concat(parts).toString('utf8');
  }
  const shell = (script: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    containers: [{ name: 'main', image: 'i', command: ['sh', '-c', script], ...more }],
  });

  it('find each other, read their secrets, and finish; their logs stay', async () => {
    const keeper = await start();
    const sealed = seal(
      Buffer.from(JSON.stringify({ data: { TOKEN: Buffer.from('s3cret').toString('base64') } })),
      key.publicKey,
    );
    const base = anOrder({
      workers: 2,
      gpusPerWorker: 2,
      podSpec: shell(
        'echo "$RANK of $WORLD_SIZE at $MASTER_ADDR fence $LUMBUNG_FENCE token $TOKEN gpus $NVIDIA_VISIBLE_DEVICES"',
        {
          envFrom: [{ secretRef: { name: 'keys' } }],
        },
      ),
    });
    const order: RunOrder = { ...base, attachments: [{ kind: 'Secret', name: 'keys', type: '', sealed }] };
    desire(keeper, { runs: [order] });
    const report = await reached(keeper, order, 'Ended');
    expect(report.end).toMatchObject({ outcome: 'Succeeded', cause: 'Completed' });
    const logs = [await logOf(keeper, order, 0), await logOf(keeper, order, 1)];
    expect(logs[0]).toMatch(/^0 of 2 at \S+ fence 1 token s3cret gpus GPU-\S+,GPU-\S+\n$/);
    expect(logs[1]).toMatch(/^1 of 2 at/);
    expect(await logOf(keeper, order, 2)).toContain('NotFound: worker 2 does not exist');
    desire(keeper, { outcomeAcks: [order.id], goneJobUids: [order.id.jobUid] });
    await eventually(async () => (await world.client.list(jobs)).items.length === 0, { what: 'the Job to go' });
    await eventually(() => keeper.reports().length === 0, { what: 'the run to be dropped' });
    expect(await logOf(keeper, order, 0)).toMatch(/^(Expired|NotFound)/);
    expect(lines).toEqual([]);
  });

  it('go on while the agent is away, and are stopped by the next one, whole', async () => {
    const first = await start();
    const order = anOrder({ workers: 2, podSpec: shell('trap "exit 0" TERM; while :; do sleep 0.05; done') });
    desire(first, { runs: [order] });
    await reached(first, order, 'Running');
    await stop(keepers.pop()!);
    const second = await start();
    expect(await reached(second, order, 'Running')).toMatchObject({ workers: { running: 2 } });
    second.end([order.id], 'Reclaimed', 'owner pod needs 1 GPU');
    const report = await reached(second, order, 'Ended');
    // Both exited 0 on SIGTERM, which is no success.
    expect(report.end).toMatchObject({ outcome: 'Stopped', cause: 'Reclaimed' });
    expect((await world.client.list(jobs)).items).toEqual([]);
    desire(second, { runs: [order] });
    expect((await reached(second, order, 'Ended')).end?.cause).toBe('Reclaimed');
  });

  it('end as a gang when one fails, and when the owner deletes the GuestRun', async () => {
    const keeper = await start();
    const failing = anOrder({
      uid: 'failing',
      workers: 2,
      podSpec: shell('if [ "$RANK" = 1 ]; then exit 7; fi; sleep 60'),
    });
    const evicted = anOrder({ uid: 'evicted', podSpec: shell('sleep 60') });
    desire(keeper, { runs: [failing, evicted] });
    const report = await reached(keeper, failing, 'Ended');
    expect(report.end).toMatchObject({
      outcome: 'Failed',
      cause: 'NonZeroExit',
      message: 'worker 1: exited 7 (Error)',
    });
    await reached(keeper, evicted, 'Running');
    const ref = { type: GUEST_RUN_RESOURCE, namespace: guestNamespace(evicted.tenant), name: runName(evicted.id) };
    await world.client.delete(ref, { propagationPolicy: 'Background' });
    expect((await reached(keeper, evicted, 'Ended')).end).toMatchObject({ outcome: 'Stopped', cause: 'GuestDeleted' });
  });

  it('are refused with the path when the image can never be had, after a stated time', async () => {
    const keeper = await start();
    const order = {
      ...anOrder({ podSpec: { containers: [{ name: 'main', image: 'registry.example/x:does-not-exist' }] } }),
      startTimeoutMs: 1500,
    };
    desire(keeper, { runs: [order] });
    expect((await reached(keeper, order, 'Ended')).end).toMatchObject({ outcome: 'Failed', cause: 'ImageError' });
  });
});
