/**
 * `lumbung member invite NAME`: makes (or renews) an invitation and prints the one command that joins the member.
 * The token is shown once and stored nowhere; the hub keeps its hash.
 */
import type { Argv, CommandModule } from 'yargs';
import { FIELD_MANAGERS } from '../../api/v1alpha1/labels.ts';
import { MEMBER_CLUSTER_RESOURCE, type MemberCluster } from '../../api/v1alpha1/member-cluster.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import { systemClock } from '../../platform/clock/system-clock.ts';
import { systemRandom } from '../../platform/clock/system-random.ts';
import { configMaps } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { sha256Hex } from '../../platform/pki/digest.ts';
import { CliFailure, EXIT, type CliIo } from '../cli-io.ts';
import { withAccess, withHub, type AccessOptions } from '../hub-access.ts';
import { numberWithin, parseLabels } from '../option-checks.ts';
import { render, withOutput, type OutputOptions } from '../render/output-format.ts';

const hourMs = 3_600_000;

interface InviteOptions extends AccessOptions, OutputOptions {
  readonly name: string;
  readonly rejoin: boolean;
  readonly jurisdiction: string | undefined;
  readonly region: string | undefined;
  readonly label: readonly string[];
  readonly hours: number;
  readonly 'hub-namespace': string;
}

interface HubInfo {
  readonly federationAddress: string;
  readonly enrolmentAddress: string;
  readonly caSha256: string;
}

export function memberInvite(io: CliIo): CommandModule<object, InviteOptions> {
  return {
    command: 'invite <name>',
    describe: 'invite a cluster to join; prints the command for its owner',
    builder: (argv) => options(argv),
    handler: async (args) => {
      await withHub(args, io, async ({ client }) => {
        io.out(await invite(args, client));
      });
    },
  };
}

function options(argv: Argv<object>): Argv<InviteOptions> {
  return withOutput(withAccess(argv))
    .positional('name', { type: 'string', demandOption: true, describe: 'name of the MemberCluster' })
    .option('rejoin', {
      type: 'boolean',
      default: false,
      describe: 'for a member whose certificate has lapsed: keep its identity',
    })
    .option('jurisdiction', {
      type: 'string',
      describe: 'country code (ISO 3166-1 alpha-2) whose law the member is under',
    })
    .option('region', { type: 'string', describe: 'region, free text' })
    .option('label', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'label KEY=VALUE of the MemberCluster; pools select by it',
    })
    .option('hours', {
      type: 'number',
      default: 24,
      coerce: numberWithin('hours', 0, 24),
      describe: 'how long the token can be used, at most 24',
    })
    .option('hub-namespace', { type: 'string', default: 'lumbung-system', describe: 'namespace of the hub' });
}

async function invite(args: InviteOptions, client: KubeClient): Promise<string> {
  const labels = parseLabels('label', args.label);
  const hub = await readHubInfo(client, args['hub-namespace']);
  const exists = await checkExisting(args, client);
  const token = Buffer.from(systemRandom().bytes(32)).toString('base64url');
  const expiresAt = formatTimestamp(systemClock().nowMs() + args.hours * hourMs);
  const change = {
    metadata: { labels },
    spec: {
      invite: { tokenSha256: sha256Hex(token), expiresAt, rejoin: args.rejoin },
      ...(args.jurisdiction === undefined ? {} : { jurisdiction: args.jurisdiction }),
      ...(args.region === undefined ? {} : { region: args.region }),
    },
  };
  const options = { fieldManager: FIELD_MANAGERS.cli };
  if (exists) {
    // What is not named stays as it is: a renewed invitation must not take the member's labels or jurisdiction away.
    await client.mergePatch({ type: MEMBER_CLUSTER_RESOURCE, name: args.name }, change, options);
  } else {
    const typed = { apiVersion: 'lumbung.dev/v1alpha1', kind: 'MemberCluster' };
    const object: KubeObject & { readonly spec: unknown } = {
      ...typed,
      ...change,
      metadata: { name: args.name, labels },
    };
    await client.create(MEMBER_CLUSTER_RESOURCE, object, options);
  }
  const result = { member: args.name, token, expiresAt, ...hub };
  return render(args.output, result, () => helmLine(result));
}

/** Whether the member exists; refuses an invitation that its state does not allow. */
async function checkExisting(args: InviteOptions, client: KubeClient): Promise<boolean> {
  try {
    const member = await client.get<MemberCluster & KubeObject>({ type: MEMBER_CLUSTER_RESOURCE, name: args.name });
    if (member.spec.accepted && member.status?.clusterUid !== undefined && !args.rejoin) {
      throw new CliFailure(
        EXIT.failed,
        `member ${args.name} has joined before; add --rejoin to let it in again with the same identity`,
      );
    }
    return true;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    if (args.rejoin) throw new CliFailure(EXIT.notFound, `--rejoin: there is no member ${args.name} yet`);
    return false;
  }
}

async function readHubInfo(client: KubeClient, namespace: string): Promise<HubInfo> {
  try {
    const map = await client.get<KubeObject & { readonly data?: Readonly<Record<string, string>> }>({
      type: configMaps,
      namespace,
      name: 'lumbung-hub',
    });
    const { federationAddress, enrolmentAddress, caSha256 } = map.data ?? {};
    if (federationAddress !== undefined && enrolmentAddress !== undefined && caSha256 !== undefined) {
      return { federationAddress, enrolmentAddress, caSha256 };
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  throw new CliFailure(
    EXIT.notFound,
    `no running hub has published its addresses in ConfigMap ${namespace}/lumbung-hub; is the hub installed there?`,
  );
}

function helmLine(
  result: HubInfo & { readonly member: string; readonly token: string; readonly expiresAt: string },
): string {
  return [
    `Give this to the owner of ${result.member}; the token works once, until ${result.expiresAt}:`,
    '',
    '  helm install lumbung-agent ./helm/lumbung-agent --namespace lumbung-system --create-namespace \\',
    `    --set member=${result.member} \\`,
    `    --set hub.address=${result.federationAddress} \\`,
    `    --set hub.enrolmentAddress=${result.enrolmentAddress} \\`,
    `    --set hub.caSha256=${result.caSha256} \\`,
    `    --set token=${result.token}`,
    '',
    `When it has asked to join:  lumbung member accept ${result.member}`,
  ].join('\n');
}
