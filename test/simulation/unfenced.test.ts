import { describe, expect, it, vi } from 'vitest';
import type * as Release from '../../src/core/run/release.ts';
import { runHistory } from './simulation.ts';

// Fencing switched off: silence alone releases a run, whatever its terms say.
vi.mock('../../src/core/run/release.ts', async (original) => {
  const real = await original<typeof Release>();
  return {
    ...real,
    silenceEvent: (_run: unknown, facts: { readonly health: string }) =>
      facts.health === 'Silent' ? { kind: 'declaredLost', reason: 'silent' } : undefined,
  };
});

describe('the oracle of the simulation', () => {
  it('finds jobs that run twice once fencing is switched off', async () => {
    let found: readonly string[] = [];
    for (let seed = 2; seed <= 12 && found.length === 0; seed += 1) {
      const { broken } = await runHistory({ seed });
      found = broken.filter((text) => text.includes('runs twice at once'));
    }
    expect(found).not.toEqual([]);
  }, 60_000);
});
