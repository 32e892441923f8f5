import { defineConfig } from 'vitest/config';

// Rounds of kill -9 and of owners taking their GPUs back, against the built programs: minutes, not seconds.
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 1_500_000,
    hookTimeout: 120_000,
    reporters: ['default'],
  },
});
