import { afterEach, describe, expect, it } from 'vitest';
import type { PolicyState } from '../../../src/agent/lending/admission.ts';
import { compilePolicy } from '../../../src/agent/lending/compile-policy.ts';
import {
  createPolicyStatusWriter,
  differsInWords,
  policyStatus,
  type BlockedOwnerPods,
} from '../../../src/agent/lending/policy-status.ts';
import { gpuModel } from '../../../src/core/model/ids.ts';
import type { GpuCounts } from '../../../src/core/model/member.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { aPolicy } from '../../support/agent-builders.ts';
import { memoryStore } from '../../support/memory-store.ts';

function lending(): PolicyState {
  const compiled = compilePolicy(aPolicy({}));
  if (!compiled.ok) throw new Error('the policy must compile');
  return { kind: 'Lending', policy: compiled.value };
}

const counts = (offered: number, lent: number): GpuCounts => ({
  vendor: 'nvidia',
  gpuModel: gpuModel('T4'),
  gpuMemoryBytes: 0,
  total: 8,
  owner: 0,
  parked: 0,
  idle: 8 - lent,
  lent,
  unhealthy: 0,
  unknown: 0,
  offered,
});

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function aWriter() {
  const clock = new VirtualClock({ turnsPerStep: 2 });
  const policies = memoryStore<KubeObject>();
  const world = {
    state: lending(),
    gpus: [counts(3, 1)],
    blocked: [] as BlockedOwnerPods,
    mayAct: true,
    fail: undefined as Error | undefined,
    changed: (): void => undefined,
  };
  const patches: { status: Record<string, unknown>; metadata: { resourceVersion: string } }[] = [];
  const writer = createPolicyStatusWriter({
    client: {
      mergePatch: (_ref, patch) => {
        if (world.fail !== undefined) return Promise.reject(world.fail);
        const body = patch as (typeof patches)[number];
        patches.push(body);
        const old = policies.get(undefined, 'default')!;
        const next = {
          ...old,
          metadata: { ...old.metadata, resourceVersion: String(Number(old.metadata.resourceVersion) + 1) },
          status: body.status,
        };
        policies.put(next);
        return Promise.resolve(next as never);
      },
    },
    policies,
    state: () => world.state,
    gpus: () => world.gpus,
    blocked: () => world.blocked,
    sources: [
      (handler) => {
        world.changed = handler;
        return () => undefined;
      },
    ],
    mayAct: () => world.mayAct,
    clock,
    logger: silentLogger(),
  });
  policies.put(aPolicy({}, { generation: 2, resourceVersion: '1' }));
  await writer.start(new AbortController().signal);
  stops.push(() => writer.stop());
  await clock.advanceAsync(500);
  return { clock, policies, world, patches };
}

describe('the status of the LendingPolicy', () => {
  it.each([
    [{ kind: 'Invalid', message: 'spec.x' }, 'False', 'PolicyInvalid', 'False', 'PolicyInvalid'],
    [{ kind: 'Unreadable', message: 'no' }, 'Unknown', 'PolicyInvalid', 'False', 'PolicyInvalid'],
    [{ kind: 'Paused' }, 'True', 'PolicyValid', 'False', 'Paused'],
    [{ kind: 'OutsideWindow' }, 'True', 'PolicyValid', 'False', 'OutsideWindow'],
    [lending(), 'True', 'PolicyValid', 'True', 'Lending'],
  ])('says of %o', (...[state, valid, validReason, lends, lendsReason]) => {
    const status = policyStatus(undefined, {
      state: state as PolicyState,
      gpus: [counts(2, 0)],
      blocked: [],
      generation: 4,
      now: '2026-01-01T00:00:00Z',
    });
    expect(status.conditions).toMatchObject([
      { type: 'Valid', status: valid, reason: validReason, observedGeneration: 4 },
      { type: 'Lending', status: lends, reason: lendsReason },
    ]);
    expect(status).toMatchObject({ observedGeneration: 4, offeredGpus: 2, lentGpus: 0 });
  });

  it('says NothingIdle when nothing is offered or lent, and keeps conditions of other writers', () => {
    const other = {
      type: 'NetworkIsolation',
      status: 'True' as const,
      reason: 'Enforced',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const status = policyStatus(
      { conditions: [other] },
      { state: lending(), gpus: [], blocked: [], generation: 1, now: '2026-01-02T00:00:00Z' },
    );
    expect(status.conditions).toMatchObject([
      { type: 'NetworkIsolation' },
      { type: 'Valid' },
      { type: 'Lending', reason: 'NothingIdle' },
    ]);
  });

  it('tells words from numbers', () => {
    const facts = { state: lending(), blocked: [], generation: 1, now: '2026-01-01T00:00:00Z' };
    const first = policyStatus(undefined, { ...facts, gpus: [counts(1, 1)] });
    expect(
      differsInWords(first, policyStatus(first, { ...facts, gpus: [counts(5, 1)], now: '2027-01-01T00:00:00Z' })),
    ).toBe(false);
    expect(
      differsInWords(
        first,
        policyStatus(first, { ...facts, gpus: [counts(1, 1)], blocked: [{ namespace: 'a', name: 'b', reason: 'c' }] }),
      ),
    ).toBe(true);
    expect(differsInWords(undefined, first)).toBe(true);
  });

  it('is written at once when words change, once, and never again for the same', async () => {
    const { clock, world, patches } = await aWriter();
    expect(patches).toHaveLength(1);
    expect(patches[0]).toMatchObject({
      metadata: { resourceVersion: '1' },
      status: { offeredGpus: 3, lentGpus: 1, observedGeneration: 2 },
    });
    world.changed();
    await clock.advanceAsync(10_000);
    expect(patches).toHaveLength(1);
    world.state = { kind: 'Paused', policy: (world.state as Extract<PolicyState, { kind: 'Lending' }>).policy };
    world.changed();
    await clock.advanceAsync(500);
    expect(patches).toHaveLength(2);
  });

  it('gets numbers at most once a minute', async () => {
    const { clock, world, patches } = await aWriter();
    for (let second = 1; second <= 50; second += 1) {
      world.gpus = [counts(second % 8, 1)];
      if (second % 8 === 0) world.gpus = [counts(1, 1)];
      world.changed();
      await clock.advanceAsync(1000);
    }
    expect(patches).toHaveLength(1);
    await clock.advanceAsync(10_000);
    expect(patches).toHaveLength(2);
    expect(patches[1]?.status).toMatchObject({ offeredGpus: 2 });
  });

  it('is tried again after a failure, without hammering, and not by an agent that may not act', async () => {
    const { clock, world, patches } = await aWriter();
    world.fail = new KubeError({ status: 500, reason: 'InternalError', message: 'down' });
    world.blocked = [{ namespace: 'a', name: 'b', reason: 'c' }];
    world.changed();
    await clock.advanceAsync(4000);
    world.fail = undefined;
    await clock.advanceAsync(500);
    expect(patches).toHaveLength(1);
    await clock.advanceAsync(2000);
    expect(patches).toHaveLength(2);
    world.mayAct = false;
    world.blocked = [];
    world.changed();
    await clock.advanceAsync(60_000);
    expect(patches).toHaveLength(2);
  });
});
