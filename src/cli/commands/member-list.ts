/** `lumbung member list`: who is in the federation, and how each member is. */
import type { CommandModule } from 'yargs';
import { MEMBER_CLUSTER_RESOURCE, type MemberCluster } from '../../api/v1alpha1/member-cluster.ts';
import { systemClock } from '../../platform/clock/system-clock.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { renderAge } from '../render/age.ts';
import { render, withOutput, type OutputOptions } from '../render/output-format.ts';
import { renderTable } from '../render/table.ts';

type Member = MemberCluster & KubeObject;

export function memberList(io: CliIo): CommandModule<object, AccessOptions & OutputOptions> {
  return {
    command: 'list',
    aliases: ['ls'],
    describe: 'list the members and how each one is',
    builder: (argv) => withOutput(withAccess(argv)),
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        const { items } = await client.list<Member>(MEMBER_CLUSTER_RESOURCE);
        if (items.length === 0 && args.output === 'table') {
          io.note('no members yet; invite one with: lumbung member invite NAME');
          return;
        }
        io.out(render(args.output, items, () => table(items, systemClock().nowMs())));
      });
    },
  };
}

function table(members: readonly Member[], nowMs: number): string {
  const headings = [
    'NAME',
    'STATE',
    'CONNECTED',
    'GPUS',
    'OFFERED',
    'LENT',
    'RUNS',
    'JURISDICTION',
    'POOL',
    'REPORT AGE',
  ];
  return renderTable(
    headings,
    members.map((member) => row(member, nowMs)),
  );
}

function row(member: Member, nowMs: number): readonly (string | number)[] {
  const { metadata, spec, status } = member;
  const connected = status?.conditions?.find((condition) => condition.type === 'Connected')?.status;
  const cells = [
    metadata.name,
    stateOf(member),
    connected,
    ...gpuCells(member),
    status?.runs ?? 0,
    spec.jurisdiction,
    status?.pool,
    reportAge(member, nowMs),
  ];
  return cells.map((cell) => cell ?? '-');
}

function gpuCells({ status }: Member): readonly (number | undefined)[] {
  const { total, offered, lent } = status?.gpuTotals ?? {};
  return [total, offered, lent];
}

function reportAge({ status }: Member, nowMs: number): string | undefined {
  const reportedMs = parseTimestamp(status?.lastReportTime);
  return reportedMs === undefined ? undefined : renderAge(nowMs - reportedMs);
}

/** The one word that matters most. */
function stateOf(member: Member): string {
  const { spec, status } = member;
  if (member.metadata.deletionTimestamp !== undefined) return 'Leaving';
  if (spec.revoked) return 'Revoked';
  if (spec.declaredLost !== undefined) return 'DeclaredLost';
  if (spec.cordoned) return 'Cordoned';
  if (spec.accepted) return 'Accepted';
  return status?.pendingRequest === undefined ? 'Invited' : 'WaitsForAcceptance';
}
