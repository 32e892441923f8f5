import { describe, expect, it } from 'vitest';
import { troubledHub } from '../support/hub-chaos.ts';

describe('the hub in trouble', () => {
  it.each(Array.from({ length: 20 }, (_, i) => i + 1))(
    'never runs a job twice, loses no completion and comes to rest (seed %i)',
    async (seed) => {
      const statuses = await troubledHub(seed, 80);
      expect(statuses.map((status) => status.phase)).toEqual(Array.from({ length: 10 }, () => 'Succeeded'));
    },
  );
});
