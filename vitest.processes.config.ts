import { defineConfig } from 'vitest/config';

// Against the built programs as processes: rounds of kill -9, of owners taking GPUs back, and the tour of the README.
export default defineConfig({
  test: {
    include: ['test/processes/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 1_500_000,
    hookTimeout: 120_000,
    reporters: ['default', ['json', { outputFile: '.cache/results/processes.json' }]],
  },
});
