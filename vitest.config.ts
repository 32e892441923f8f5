import { defineConfig } from 'vitest/config';

// Fast tiers only (docs: how we test). Forks, because suites start servers, signals and child processes of their own.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/processes/**', 'test/demo/**', 'node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    reporters:
      process.env['CI'] === 'true' ? ['default', ['json', { outputFile: '.cache/results/test.json' }]] : ['dot'],
  },
});
