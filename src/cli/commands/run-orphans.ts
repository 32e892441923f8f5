/**
 * `lumbung run orphans`: runs that members report and the hub knows no job of. Leaves out what becomes of them: the hub
 * keeps them for its grace, then ends them.
 */
import type { CommandModule } from 'yargs';
import { systemClock } from '../../platform/clock/system-clock.ts';
import { CliFailure, EXIT, type CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { orphansPath } from '../job-subresource.ts';
import { renderAge } from '../render/age.ts';
import { render, withOutput, type OutputOptions } from '../render/output-format.ts';
import { renderTable } from '../render/table.ts';

/** What is read of one item of the hub's OrphanList; `sinceMs` is the hub's wall clock when it was first seen. */
interface Orphan {
  readonly member?: string;
  readonly sinceMs?: number;
  readonly report?: {
    readonly id?: { readonly jobUid?: string; readonly fence?: number };
    readonly job?: { readonly namespace?: string; readonly name?: string };
    readonly phase?: string;
    readonly gpuModel?: string;
    readonly gpusPerWorker?: number;
    readonly nodes?: readonly { readonly workers?: number }[];
  };
}

export function runOrphans(io: CliIo): CommandModule<object, AccessOptions & OutputOptions> {
  return {
    command: 'orphans',
    describe: 'list runs that members have and the hub does not know',
    builder: (argv) => withOutput(withAccess(argv)),
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        const items = itemsOf(await client.raw<unknown>('GET', orphansPath));
        if (items.length === 0 && args.output === 'table') {
          io.note('no orphans: the hub knows the job of every run that members report');
          return;
        }
        io.out(render(args.output, items, () => table(items, systemClock().nowMs())));
      });
    },
  };
}

function itemsOf(answer: unknown): readonly Orphan[] {
  const items = typeof answer === 'object' && answer !== null && 'items' in answer ? answer.items : undefined;
  if (Array.isArray(items)) return items as readonly Orphan[];
  throw new CliFailure(EXIT.failed, 'the hub answered with something that is no list of orphans');
}

function table(orphans: readonly Orphan[], nowMs: number): string {
  return renderTable(
    ['MEMBER', 'NAMESPACE', 'JOB', 'JOB UID', 'FENCE', 'PHASE', 'GPUS', 'MODEL', 'SEEN'],
    orphans.map((orphan) => row(orphan, nowMs)),
  );
}

function row({ member, report, sinceMs }: Orphan, nowMs: number): readonly (string | number)[] {
  const { id, job, phase, gpuModel } = report ?? {};
  const seen = sinceMs === undefined ? undefined : renderAge(nowMs - sinceMs);
  const cells = [member, job?.namespace, job?.name, id?.jobUid, id?.fence, phase, gpusOf(report), gpuModel, seen];
  return cells.map((cell) => cell ?? '-');
}

function gpusOf(report: Orphan['report']): number | undefined {
  if (report?.gpusPerWorker === undefined || report.nodes === undefined) return undefined;
  const workers = report.nodes.reduce((sum, share) => sum + (share.workers ?? 0), 0);
  return workers * report.gpusPerWorker;
}
