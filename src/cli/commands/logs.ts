/** `lumbung logs JOB`: one worker's log, through the hub, from whichever member ran it. */
import type { CommandModule } from 'yargs';
import type { CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { jobSubresourcePath } from '../job-subresource.ts';

interface LogsOptions extends AccessOptions {
  readonly job: string;
  readonly namespace: string | undefined;
  readonly worker: number;
  readonly attempt: number | undefined;
  readonly container: string | undefined;
  readonly follow: boolean;
  readonly tail: number | undefined;
  readonly since: number | undefined;
  readonly timestamps: boolean;
}

export function logs(io: CliIo): CommandModule<object, LogsOptions> {
  return {
    command: 'logs <job>',
    describe: "print a worker's log, wherever it runs",
    builder: (argv) =>
      withAccess(argv)
        .positional('job', { type: 'string', demandOption: true, describe: 'name of the ComputeJob' })
        .option('namespace', { alias: 'n', type: 'string', describe: 'namespace of the job' })
        .option('worker', { type: 'number', default: 0, describe: 'index of the worker' })
        .option('attempt', { type: 'number', describe: 'number of the attempt; default the latest' })
        .option('container', { alias: 'c', type: 'string', describe: 'container; default the one with the GPUs' })
        .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'go on as the log grows' })
        .option('tail', { type: 'number', describe: 'only the last lines' })
        .option('since', { type: 'number', describe: 'only the last seconds' })
        .option('timestamps', { type: 'boolean', default: false, describe: 'start each line with its time' }),
    handler: async (args) => {
      await withHub(args, io, async ({ client, namespace }) => {
        const path = jobSubresourcePath(args.namespace ?? namespace, args.job, 'log', {
          worker: args.worker,
          attempt: args.attempt,
          container: args.container,
          follow: args.follow ? 'true' : undefined,
          tailLines: args.tail,
          sinceSeconds: args.since,
          timestamps: args.timestamps ? 'true' : undefined,
        });
        const body = await client.rawStream(path, { signal: io.signal, timeoutMs: 7 * 24 * 3_600_000 });
        for await (const chunk of body) await io.write(chunk);
      });
    },
  };
}
