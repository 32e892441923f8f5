/**
 * The command line's composition root: which verbs exist, and how failures become a sentence and an exit code.
 * Invariants: machine output goes to standard output alone; every failure is one sentence on standard error.
 */
import yargs from 'yargs';
import { isForbidden, isKubeError, isNotFound, isUnauthorized, isUnreachable } from '../platform/kube/kube-error.ts';
import { CliFailure, EXIT, type CliIo, type ExitCode } from './cli-io.ts';
import { explain } from './commands/explain.ts';
import { logs } from './commands/logs.ts';
import { memberAccept, memberCordon, memberDeclareLost, memberLeave, memberRevoke } from './commands/member-change.ts';
import { memberInvite } from './commands/member-invite.ts';
import { memberList } from './commands/member-list.ts';
import { runOrphans } from './commands/run-orphans.ts';
import { sandbox } from './commands/sandbox.ts';
import { plainText } from './render/plain-text.ts';

/** Runs one command. Resolves with what the process shall exit with; never throws for what a user or cluster does. */
export async function runCli(argv: readonly string[], io: CliIo, version: string): Promise<ExitCode> {
  const parser = yargs()
    .scriptName('lumbung')
    .locale('en')
    .usage("$0 <command>\n\nPools the idle GPUs of many organisations' clusters.")
    .version(version)
    .command('member', 'invite, accept, list, cordon, leave and revoke members', (member) =>
      member
        .command(memberInvite(io))
        .command(memberAccept(io))
        .command(memberList(io))
        .command(memberCordon(io, true))
        .command(memberCordon(io, false))
        .command(memberLeave(io))
        .command(memberRevoke(io))
        .command(memberDeclareLost(io))
        .demandCommand(
          1,
          'say what to do with members: invite, accept, list, cordon, uncordon, leave, revoke, declare-lost',
        ),
    )
    .command('run', 'look at runs', (run) =>
      run.command(runOrphans(io)).demandCommand(1, 'say what to look at: orphans'),
    )
    .command(explain(io))
    .command(logs(io))
    .command(sandbox(io))
    .demandCommand(1, 'say what to do; --help lists the commands')
    .strict()
    .recommendCommands()
    .help()
    .exitProcess(false)
    .wrap(100)
    .fail((message, error) => {
      throw failureOf(message, error);
    });
  try {
    await parser.parseAsync([...argv], {}, (_error: unknown, _args: unknown, help: string) => {
      if (help !== '') io.out(help);
    });
    return EXIT.ok;
  } catch (error) {
    if (io.signal.aborted) return EXIT.interrupted;
    const { code, sentence } = explainFailure(error);
    io.note(plainText(sentence));
    return code;
  }
}

/**
 * What yargs hands over is either its own sentence about usage, or an error: the one that a command threw, or one of its own
 * around what a check of an option threw.
 */
function failureOf(message: string, error: Error | undefined): Error {
  if (error !== undefined && error.name !== 'YError') return error;
  return new CliFailure(EXIT.usage, `${message || (error?.message ?? 'usage')}\nlumbung --help shows how`);
}

function explainFailure(error: unknown): { readonly code: ExitCode; readonly sentence: string } {
  if (error instanceof CliFailure) return { code: error.exitCode, sentence: error.message };
  if (isNotFound(error)) return { code: EXIT.notFound, sentence: error.message };
  if (isForbidden(error) || isUnauthorized(error)) return { code: EXIT.forbidden, sentence: error.message };
  if (isUnreachable(error))
    return { code: EXIT.unreachable, sentence: `the hub cluster cannot be reached: ${error.message}` };
  if (isKubeError(error) && error.status === 504) return { code: EXIT.timedOut, sentence: error.message };
  if (isKubeError(error)) return { code: EXIT.failed, sentence: `${error.message} (${error.reason})` };
  return { code: EXIT.failed, sentence: error instanceof Error ? error.message : String(error) };
}
