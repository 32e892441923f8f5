#!/usr/bin/env node
/** The `lumbung` command: argv and environment in, exit code out. */
import { runCli } from '../cli/app.ts';
import { VERSION } from './version.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted.abort();
  });
}
// A reader that leaves (`lumbung logs | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(
  process.argv.slice(2),
  {
    out: (text) => {
      process.stdout.write(`${text}\n`);
    },
    note: (text) => {
      process.stderr.write(`${text}\n`);
    },
    write: (bytes) =>
      new Promise((resolve) => {
        process.stdout.write(bytes, () => {
          resolve();
        });
      }),
    color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    env: process.env,
    signal: interrupted.signal,
  },
  VERSION,
);
