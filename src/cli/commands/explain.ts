/**
 * `lumbung explain JOB`: why a job is where it is, in the hub's own numbers. Decides how the hub's report looks on a screen.
 *
 * Invariants: the machine forms are the hub's report untouched; a report of a newer hub, with fields or reasons that this
 * version does not know, is shown as far as it goes. Leaves out the reasons themselves (the hub's words).
 */
import type { CommandModule } from 'yargs';
import { CliFailure, EXIT, type CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { jobSubresourcePath } from '../job-subresource.ts';
import { renderAge } from '../render/age.ts';
import { render, withOutput, type OutputOptions } from '../render/output-format.ts';
import { plainText } from '../render/plain-text.ts';
import { renderTable } from '../render/table.ts';

interface ExplainOptions extends AccessOptions, OutputOptions {
  readonly job: string;
  readonly namespace: string | undefined;
}

/** What is read of the hub's ComputeJobExplanation; everything may be absent, since hub and command age apart. */
interface Explanation {
  readonly phase?: string;
  readonly summary?: string;
  readonly position?: number;
  readonly tenant?: string;
  readonly waitingSince?: string;
  readonly hint?: string;
  readonly run?: { readonly attempt?: number; readonly member?: string; readonly message?: string };
  readonly members?: readonly {
    readonly member?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly dataAgeSeconds?: number;
  }[];
  readonly problems?: readonly { readonly path?: string; readonly message?: string }[];
}

export function explain(io: CliIo): CommandModule<object, ExplainOptions> {
  return {
    command: 'explain <job>',
    describe: 'say why a job waits, member by member, in numbers',
    builder: (argv) =>
      withOutput(withAccess(argv))
        .positional('job', { type: 'string', demandOption: true, describe: 'name of the ComputeJob' })
        .option('namespace', { alias: 'n', type: 'string', describe: 'namespace of the job' }),
    handler: async (args) => {
      await withHub(args, io, async ({ client, namespace }) => {
        const path = jobSubresourcePath(args.namespace ?? namespace, args.job, 'explain');
        const answer = await client.raw<unknown>('GET', path);
        if (typeof answer !== 'object' || answer === null) {
          throw new CliFailure(EXIT.failed, 'the hub answered with something that is no explanation');
        }
        io.out(render(args.output, answer, () => explanationText(answer)));
      });
    },
  };
}

/** Paragraphs for a person: the sentence, the rank, the problems, the members, the hint; those that are there. */
function explanationText(report: Explanation): string {
  const paragraphs = [
    headline(report),
    problemLines(report),
    memberTable(report),
    report.hint === undefined ? '' : `Smallest change that would let it start: ${report.hint}`,
  ];
  return plainText(paragraphs.filter((paragraph) => paragraph !== '').join('\n\n'));
}

function headline({ phase, summary, position, tenant, waitingSince, run }: Explanation): string {
  const ofTenant = tenant === undefined ? '' : ` of tenant ${tenant}`;
  const lines = [
    `${phase ?? 'Unknown'}: ${summary ?? 'the hub gives no reason'}`,
    position === undefined ? '' : `Rank ${position} among the waiting jobs${ofTenant}`,
    waitingSince === undefined ? '' : `Waiting since ${waitingSince}`,
    run === undefined ? '' : `Attempt ${run.attempt ?? '?'} on ${run.member ?? '?'}: ${orNone(run.message)}`,
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function orNone(message: string | undefined): string {
  return message === undefined || message === '' ? 'nothing more to say' : message;
}

function problemLines({ problems = [] }: Explanation): string {
  return problems.map(({ path = 'spec', message = 'invalid' }) => `${path}: ${message}`).join('\n');
}

function memberTable({ members = [] }: Explanation): string {
  if (members.length === 0) return '';
  return renderTable(
    ['MEMBER', 'REASON', 'WHY', 'DATA AGE'],
    members.map(({ member = '-', reason = '-', message = '', dataAgeSeconds }) => [
      member,
      reason,
      message,
      dataAgeSeconds === undefined ? 'never heard' : renderAge(dataAgeSeconds * 1000),
    ]),
  );
}
