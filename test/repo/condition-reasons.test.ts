/** Reasons of conditions are a closed family: who writes one that nobody listed breaks here. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONDITION_REASONS } from '../../src/api/v1alpha1/conditions.ts';
import { CAUSES } from '../../src/core/model/cause.ts';

const root = resolve(import.meta.dirname, '../..');

/** Files of hub and agent that set conditions. */
const writers = ['src/hub', 'src/agent']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith('.ts') && readFileSync(join(root, file), 'utf8').includes('v1alpha1/conditions.ts'));

describe('reasons of conditions', () => {
  it('are CamelCase and listed once', () => {
    for (const reason of CONDITION_REASONS) expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(new Set(CONDITION_REASONS).size).toBe(CONDITION_REASONS.length);
  });

  it('are written by somebody', () => {
    expect(writers.length).toBeGreaterThan(0);
  });

  it.each(writers)('in %s all belong to the closed family', (file) => {
    const known = new Set<string>([...CONDITION_REASONS, ...CAUSES]);
    const written = [...readFileSync(join(root, file), 'utf8').matchAll(/\breason: '([A-Za-z]+)'/g)].map(
      (match) => match[1]!,
    );
    expect(written.filter((reason) => !known.has(reason))).toEqual([]);
  });
});
