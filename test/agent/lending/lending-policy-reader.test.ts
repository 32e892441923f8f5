import { afterEach, describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import {
  createLendingPolicyReader,
  type LendingPolicyReader,
} from '../../../src/agent/lending/lending-policy-reader.ts';
import { summarisePolicy } from '../../../src/agent/lending/policy-summary.ts';
import { jurisdiction } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { anOrder, aPolicy } from '../../support/agent-builders.ts';
import { memoryStore } from '../../support/memory-store.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function aReader(options: { readonly synced?: boolean; readonly wall?: string } = {}) {
  const clock = new VirtualClock({ wallMs: Date.parse(options.wall ?? '2026-11-23T12:00:00Z') });
  const policies = memoryStore<KubeObject>({ synced: options.synced ?? true });
  const world = { readable: true, heard: 0 };
  const reader: LendingPolicyReader = createLendingPolicyReader({
    policies,
    readable: () => world.readable,
    certifiedJurisdiction: () => jurisdiction('ID'),
    clock,
    logger: silentLogger(),
  });
  reader.subscribe(() => {
    world.heard += 1;
  });
  await reader.start(new AbortController().signal);
  stops.push(() => reader.stop());
  return { clock, policies, world, reader };
}

describe('the reader of the LendingPolicy', () => {
  it('lends nothing before it has read, without a policy, and with one of another name', async () => {
    const { reader, policies } = await aReader({ synced: false });
    expect(reader.synced).toBe(false);
    expect(reader.state()).toMatchObject({ kind: 'Absent', message: textWith('not been read') });
    policies.markSynced();
    policies.put(aPolicy({}, { name: 'other', uid: 'x' }));
    expect(reader.state()).toMatchObject({ kind: 'Absent', message: textWith('no LendingPolicy') });
    expect(reader.guestRules()).toBeUndefined();
    expect(reader.admits(anOrder()).ok).toBe(false);
  });

  it('admits by a valid policy and hears of its deletion', async () => {
    const { reader, policies, world } = await aReader();
    policies.put(aPolicy({}));
    expect(reader.admits(anOrder()).ok).toBe(true);
    const before = world.heard;
    policies.remove(undefined, 'default');
    expect(world.heard).toBe(before + 1);
    expect(reader.admits(anOrder()).ok).toBe(false);
    expect(reader.mustEnd(anOrder(), []).ok).toBe(true);
  });

  it('lends nothing new by an invalid policy, says why, and ends nobody', async () => {
    const { reader, policies } = await aReader();
    policies.put(aPolicy({ tenants: ['team-a'] }, { generation: 1 }));
    policies.put(aPolicy({ reclaimGrace: 'soon' }, { generation: 2 }));
    expect(reader.state()).toMatchObject({ kind: 'Invalid', message: textWith('spec.reclaimGrace') });
    expect(reader.admits(anOrder()).ok).toBe(false);
    expect(reader.mustEnd(anOrder({ tenant: 'team-b' }), []).ok).toBe(true);
    expect(reader.guestRules()).toBeUndefined();
    expect(summarisePolicy(reader.state())).toMatchObject({ state: 'Invalid', tenants: ['team-a'] });
  });

  it('ends guests within the grace when paused, telling at once', async () => {
    const { reader, policies, world } = await aReader();
    policies.put(aPolicy({ reclaimGrace: '20s' }, { generation: 1 }));
    const before = world.heard;
    policies.put(aPolicy({ reclaimGrace: '20s', paused: true }, { generation: 2 }));
    expect(world.heard).toBe(before + 1);
    expect(reader.mustEnd(anOrder(), ['registry.example/t:1'])).toMatchObject({
      ok: false,
      error: { graceMs: 20_000 },
    });
    expect(summarisePolicy(reader.state()).state).toBe('Paused');
  });

  it('tells when a window closes and opens, at the edge', async () => {
    const { reader, policies, world, clock } = await aReader({ wall: '2026-11-23T12:00:00Z' });
    policies.put(aPolicy({ windows: [{ start: '11:00', end: '12:30' }] }));
    expect(reader.admits(anOrder()).ok).toBe(true);
    expect(reader.calendar().availableUntilMs).toBe(Date.parse('2026-11-23T12:30:00Z'));
    clock.advance(30 * 60_000 - 1);
    const before = world.heard;
    expect(reader.state().kind).toBe('Lending');
    clock.advance(1);
    expect(world.heard).toBe(before + 1);
    expect(reader.state()).toMatchObject({ kind: 'OutsideWindow', opensAtMs: Date.parse('2026-11-24T11:00:00Z') });
    expect(reader.mustEnd(anOrder(), []).ok).toBe(false);
    expect(summarisePolicy(reader.state()).message).toContain('2026-11-24T11:00:00Z');
    clock.advance(22.5 * 3_600_000);
    expect(reader.state().kind).toBe('Lending');
  });

  it('notices within a minute that the wall clock jumped over an edge', async () => {
    const { reader, policies, clock } = await aReader({ wall: '2026-11-23T12:00:00Z' });
    policies.put(aPolicy({ windows: [{ start: '11:00', end: '23:00' }] }));
    clock.jumpWall(12 * 3_600_000);
    clock.advance(60_000);
    expect(reader.state().kind).toBe('OutsideWindow');
  });

  it('lends nothing new while the policy cannot be read, and ends nobody', async () => {
    const { reader, policies, world, clock } = await aReader();
    policies.put(aPolicy({}));
    world.readable = false;
    clock.advance(60_000);
    expect(reader.state().kind).toBe('Unreadable');
    expect(reader.admits(anOrder()).ok).toBe(false);
    expect(reader.mustEnd(anOrder(), []).ok).toBe(true);
    expect(summarisePolicy(reader.state()).state).toBe('Absent');
  });

  it('is not stirred by its own status coming back', async () => {
    const { policies, world } = await aReader();
    policies.put(aPolicy({}, { generation: 3, resourceVersion: '1' }));
    const before = world.heard;
    policies.put(aPolicy({}, { generation: 3, resourceVersion: '2' }));
    expect(world.heard).toBe(before);
  });
});
