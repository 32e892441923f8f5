/** `lumbung logs JOB`: one worker's log, through the hub, from whichever member ran it. */
import type { CommandModule } from 'yargs';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isUnreachable } from '../../platform/kube/kube-error.ts';
import { CliFailure, EXIT, type CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { jobSubresourcePath } from '../job-subresource.ts';
import { wholeNumber } from '../option-checks.ts';

interface LogsOptions extends AccessOptions {
  readonly job: string;
  readonly namespace: string | undefined;
  readonly worker: number | undefined;
  readonly attempt: number | undefined;
  readonly container: string | undefined;
  readonly follow: boolean;
  readonly tail: number | undefined;
  readonly since: number | undefined;
  readonly timestamps: boolean;
}

/** The hub waits 10 s for the member; until the log begins no longer than this, afterwards without end. */
const openTimeoutMs = 12_000;

export function logs(io: CliIo): CommandModule<object, LogsOptions> {
  return {
    command: 'logs <job>',
    describe: "print a worker's log, wherever it runs",
    builder: (argv) =>
      withAccess(argv)
        .positional('job', { type: 'string', demandOption: true, describe: 'name of the ComputeJob' })
        .option('namespace', { alias: 'n', type: 'string', describe: 'namespace of the job' })
        .option('worker', {
          type: 'number',
          default: 0,
          coerce: wholeNumber('worker'),
          describe: 'index of the worker',
        })
        .option('attempt', {
          type: 'number',
          coerce: wholeNumber('attempt', 1),
          describe: 'number of the attempt; default the latest',
        })
        .option('container', { alias: 'c', type: 'string', describe: 'container; default the one with the GPUs' })
        .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'go on as the log grows' })
        .option('tail', { type: 'number', coerce: wholeNumber('tail'), describe: 'only the last lines' })
        .option('since', { type: 'number', coerce: wholeNumber('since', 1), describe: 'only the last seconds' })
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
        const body = await open(client, path, io.signal);
        try {
          for await (const chunk of body) await io.write(chunk);
        } catch (error) {
          if (!isUnreachable(error)) throw error;
          throw new CliFailure(
            EXIT.failed,
            `the log broke off before its end (${error.message}); run the command again`,
          );
        }
      });
    },
  };
}

async function open(client: KubeClient, path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  try {
    return await client.rawStream(path, { signal, timeoutMs: openTimeoutMs });
  } catch (error) {
    if (!isUnreachable(error) || error.why !== 'Timeout') throw error;
    throw new CliFailure(
      EXIT.timedOut,
      `the log has not begun within ${openTimeoutMs / 1000} s; is its member connected?`,
    );
  }
}
