/**
 * The agent's settings: flags, environment (`LUMBUNG_...`) or a file, compiled and checked as a whole. Tests and the demo use
 * the same settings with seconds in place of minutes.
 *
 * Invariants: at least one hub address; one source of the token; a renewal fits into the agent's Lease with room to spare.
 * Leaves out what the owner decides: that is in the LendingPolicy.
 */
import {
  loadConfig,
  optional,
  required,
  withDefault,
  type ConfigOf,
  type ConfigSources,
} from '../platform/config/config.ts';
import { describeSettings, type SettingDescription } from '../platform/config/describe-settings.ts';
import { durationMs, hostPort, listOf, oneOf, text, type HostPort } from '../platform/config/parser.ts';

const MINUTE_MS = 60_000;

/** Prefix of the environment variables. */
export const AGENT_ENV_PREFIX = 'LUMBUNG_';

const DEFAULT_ENROLMENT_PORT = 7444;

const name = text({
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  allowed: 'lower-case letters, digits and "-"',
  maxLength: 63,
});

export const agentSettings = {
  kubeconfig: optional(text({ maxLength: 4096 }), {
    help: 'Path of a kubeconfig; absent: the cluster that the agent runs in.',
  }),
  kubeContext: optional(text({ maxLength: 253 }), { help: 'Context of the kubeconfig; absent: its current one.' }),
  namespace: withDefault(name, 'lumbung-system', {
    help: "The agent's own namespace: its Lease, identity Secret and fence memory.",
  }),
  identity: optional(text({ maxLength: 253 }), {
    help: 'Name of this pod of the agent; absent: the host name.',
  }),
  member: required(name, { help: 'Name of this member, as in the invitation.' }),
  hub: required(listOf(hostPort()), {
    help: 'Address of the hub; several, by repeating the flag or by commas, are tried in turn.',
  }),
  hubServerName: optional(text({ maxLength: 253 }), {
    help: "Name to look for in the hub's certificate; absent: the host of its address.",
  }),
  enrolAddress: optional(hostPort(), {
    help: 'Where to join; absent: the host of the first hub address, port 7444.',
  }),
  token: optional(text({ maxLength: 512 }), {
    help: 'One-use token of the invitation; needed until this member has joined.',
    secret: true,
  }),
  tokenFile: optional(text({ maxLength: 4096 }), { help: 'File that holds the token; read when it is needed.' }),
  hubCaSha256: optional(
    text({
      pattern: /^[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31}$/,
      allowed: '64 hexadecimal digits, with or without colons',
    }),
    { help: "SHA-256 of the hub's authority, from the invitation; needed until this member has joined." },
  ),
  metricsAddress: withDefault(
    hostPort(),
    { host: '0.0.0.0', port: 9090 },
    { help: 'Where /metrics, /healthz and /readyz are served.' },
  ),
  serviceAccountName: optional(name, {
    help: "The agent's ServiceAccount; with it the agent is bound to ClusterRole lumbung-guest in each guest namespace.",
  }),
  protectedCidrs: withDefault(listOf(text({ maxLength: 64 })), [], {
    help: 'Network ranges that guests never reach whatever the policy allows, such as that of the API server.',
  }),
  leaseDuration: withDefault(durationMs({ minMs: 1000, maxMs: 10 * MINUTE_MS }), 15_000, {
    help: "The agent's Lease: how long its holder is believed without a renewal; whole seconds.",
  }),
  leaseRenewDeadline: withDefault(durationMs({ minMs: 500, maxMs: 10 * MINUTE_MS }), 10_000, {
    help: "The agent's Lease: after this long without a renewal its holder gives up.",
  }),
  leaseRetryPeriod: withDefault(durationMs({ minMs: 100, maxMs: MINUTE_MS }), 2000, {
    help: "The agent's Lease: time between attempts.",
  }),
  logLevel: withDefault(oneOf(['error', 'warn', 'info', 'debug']), 'info', {
    help: 'Least severe level that is logged.',
  }),
  logFormat: withDefault(oneOf(['json', 'pretty']), 'json', { help: 'json for machines, pretty for a terminal.' }),
} as const;

export type AgentConfig = ConfigOf<typeof agentSettings>;

/** Throws ConfigProblems with every problem at once. */
export function loadAgentConfig(sources: Omit<ConfigSources, 'envPrefix'>): AgentConfig {
  return loadConfig(agentSettings, { ...sources, envPrefix: AGENT_ENV_PREFIX }, (config, problem) => {
    if (config.hub.length === 0) problem('hub', 'must name at least one address');
    if (config.token !== undefined && config.tokenFile !== undefined) {
      problem('tokenFile', 'must not be set together with token');
    }
    if (config.kubeContext !== undefined && config.kubeconfig === undefined) problem('kubeContext', 'needs kubeconfig');
    if (config.leaseDuration % 1000 !== 0) problem('leaseDuration', 'must be whole seconds');
    if (config.leaseDuration <= config.leaseRenewDeadline) {
      problem('leaseRenewDeadline', 'must be less than leaseDuration');
    }
    if (config.leaseRenewDeadline <= 1.2 * config.leaseRetryPeriod) {
      problem('leaseRetryPeriod', 'must be less than leaseRenewDeadline / 1.2');
    }
  });
}

/** For `--help` and the reference page. */
export function describeAgentSettings(): readonly SettingDescription[] {
  return describeSettings(agentSettings, AGENT_ENV_PREFIX);
}

/** `host:port` for dialling; IPv6 in brackets. */
export function dialAddress({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Where to join. */
export function enrolmentAddress(config: Pick<AgentConfig, 'hub' | 'enrolAddress'>): string {
  const host = config.hub[0]?.host ?? 'localhost';
  return dialAddress(config.enrolAddress ?? { host, port: DEFAULT_ENROLMENT_PORT });
}
