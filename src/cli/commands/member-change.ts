/**
 * `lumbung member accept|cordon|uncordon|leave|revoke|declare-lost NAME`: the pool operator's word about a member, each a
 * change of MemberCluster that the hub acts on.
 */
import type { Argv, CommandModule } from 'yargs';
import { FIELD_MANAGERS } from '../../api/v1alpha1/labels.ts';
import {
  MEMBER_CLUSTER_RESOURCE,
  type MemberCluster,
  type MemberClusterSpec,
} from '../../api/v1alpha1/member-cluster.ts';
import { systemClock } from '../../platform/clock/system-clock.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { CliFailure, EXIT, type CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { wholeNumber } from '../option-checks.ts';

type Member = MemberCluster & KubeObject;

interface NameOptions extends AccessOptions {
  readonly name: string;
}

function withName(argv: Argv<object>): Argv<NameOptions> {
  return withAccess(argv).positional('name', {
    type: 'string',
    demandOption: true,
    describe: 'name of the MemberCluster',
  });
}

async function patchSpec(client: KubeClient, name: string, spec: Partial<MemberClusterSpec>): Promise<void> {
  await client.mergePatch({ type: MEMBER_CLUSTER_RESOURCE, name }, { spec }, { fieldManager: FIELD_MANAGERS.cli });
}

export function memberAccept(
  io: CliIo,
): CommandModule<object, NameOptions & { readonly jurisdiction: string | undefined }> {
  return {
    command: 'accept <name>',
    describe: 'let an invited cluster join; binds its jurisdiction into its certificate',
    builder: (argv) =>
      withName(argv).option('jurisdiction', {
        type: 'string',
        describe: 'country code; default the one in the MemberCluster, else what the owner states',
      }),
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        const member = await client.get<Member>({ type: MEMBER_CLUSTER_RESOURCE, name: args.name });
        const jurisdiction =
          args.jurisdiction ?? member.spec.jurisdiction ?? member.status?.pendingRequest?.jurisdiction;
        if (jurisdiction === undefined) {
          throw new CliFailure(
            EXIT.usage,
            `member ${args.name} has no jurisdiction yet: add --jurisdiction CC, a country code such as ID`,
          );
        }
        await patchSpec(client, args.name, { accepted: true, jurisdiction });
        const asked = member.status?.pendingRequest !== undefined;
        io.out(
          `member ${args.name} accepted for jurisdiction ${jurisdiction}${asked ? '' : '; it has not asked to join yet'}`,
        );
      });
    },
  };
}

/** cordon and uncordon. */
export function memberCordon(io: CliIo, cordoned: boolean): CommandModule<object, NameOptions> {
  const verb = cordoned ? 'cordon' : 'uncordon';
  return {
    command: `${verb} <name>`,
    describe: cordoned ? 'send no new work to a member; what runs there goes on' : 'send work to a member again',
    builder: withName,
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        await patchSpec(client, args.name, { cordoned });
        io.out(`member ${args.name} ${verb}ed`);
      });
    },
  };
}

export function memberRevoke(io: CliIo): CommandModule<object, NameOptions & { readonly undo: boolean }> {
  return {
    command: 'revoke <name>',
    describe: "reject a member's certificates and reports at once; its agent ends its guests",
    builder: (argv) =>
      withName(argv).option('undo', { type: 'boolean', default: false, describe: 'take the revocation back' }),
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        await patchSpec(client, args.name, { revoked: !args.undo });
        io.out(args.undo ? `member ${args.name} is no longer revoked` : `member ${args.name} revoked`);
      });
    },
  };
}

export function memberDeclareLost(
  io: CliIo,
): CommandModule<object, NameOptions & { readonly reason: string; readonly yes: boolean }> {
  return {
    command: 'declare-lost <name>',
    describe: 'give your word that everything the member ran is dead, so that its jobs may run elsewhere',
    builder: (argv) =>
      withName(argv)
        .option('reason', { type: 'string', demandOption: true, describe: 'why, for the record' })
        .option('yes', {
          type: 'boolean',
          default: false,
          describe: 'say that you know: if its workers still run, jobs will run twice',
        }),
    handler: async (args) => {
      if (!args.yes) {
        const warning = `if workers of ${args.name} still run, their jobs will run twice; add --yes when you know that they are dead`;
        throw new CliFailure(EXIT.usage, warning);
      }
      await withHub(args, io, async ({ client }) => {
        await patchSpec(client, args.name, {
          declaredLost: { at: formatTimestamp(systemClock().nowMs()), reason: args.reason },
        });
        io.out(`member ${args.name} declared lost; its runs may be placed elsewhere`);
      });
    },
  };
}

interface LeaveOptions extends NameOptions {
  readonly timeout: number | undefined;
}

export function memberLeave(io: CliIo): CommandModule<object, LeaveOptions> {
  return {
    command: 'leave <name>',
    describe: 'drain a member, then remove it from the federation',
    builder: (argv) =>
      withName(argv).option('timeout', {
        type: 'number',
        default: 600,
        coerce: wholeNumber('timeout'),
        describe: 'seconds to wait for its guests to end',
      }),
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        await leave(args, client, io);
      });
    },
  };
}

async function leave(args: LeaveOptions, client: KubeClient, io: CliIo): Promise<void> {
  const { name, timeout = 600 } = args;
  const ref = { type: MEMBER_CLUSTER_RESOURCE, name };
  await patchSpec(client, name, { cordoned: true });
  await client.delete(ref, { propagationPolicy: 'Background' });
  const clock = systemClock();
  const deadlineMs = clock.monotonicMs() + timeout * 1000;
  let shown: number | undefined;
  for (;;) {
    const runs = await runsOf(client, name);
    if (runs === undefined) {
      io.out(`member ${name} has left`);
      return;
    }
    if (runs !== shown) io.note(`waiting for ${runs} ${runs === 1 ? 'run' : 'runs'} on ${name} to end`);
    shown = runs;
    if (clock.monotonicMs() >= deadlineMs || io.signal.aborted) {
      const message = `member ${name} still has ${runs} ${runs === 1 ? 'run' : 'runs'} after ${timeout} s; it leaves when they have ended`;
      throw new CliFailure(EXIT.timedOut, message);
    }
    await clock.sleep(Math.min(500, Math.max(0, deadlineMs - clock.monotonicMs())), io.signal);
  }
}

/** Undefined: the member is gone. */
async function runsOf(client: KubeClient, name: string): Promise<number | undefined> {
  try {
    return (await client.get<Member>({ type: MEMBER_CLUSTER_RESOURCE, name })).status?.runs ?? 0;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
