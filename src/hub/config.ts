/**
 * The hub's settings: flags, environment (`LUMBUNG_...`) or a file, compiled and checked as a whole. Tests and the demo use the
 * same settings with seconds in place of minutes.
 *
 * Invariants: a renewal fits into the leader lease with room to spare; a member is silent only after several reports are
 * missing. Leaves out what belongs to a pool (lease terms of runs): that is in GpuPool.
 */
import { loadConfig, optional, withDefault, type ConfigOf, type ConfigSources } from '../platform/config/config.ts';
import { describeSettings, type SettingDescription } from '../platform/config/describe-settings.ts';
import { durationMs, hostPort, integer, listOf, oneOf, text } from '../platform/config/parser.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTE_MS = 60_000;

/** Prefix of the environment variables. */
export const HUB_ENV_PREFIX = 'LUMBUNG_';

const name = text({
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  allowed: 'lower-case letters, digits and "-"',
  maxLength: 63,
});

export const hubSettings = {
  kubeconfig: optional(text({ maxLength: 4096 }), {
    help: 'Path of a kubeconfig; absent: the cluster that the hub runs in.',
  }),
  kubeContext: optional(text({ maxLength: 253 }), { help: 'Context of the kubeconfig; absent: its current one.' }),
  namespace: withDefault(name, 'lumbung-system', {
    help: 'Namespace of the leader lease and of the authority Secret.',
  }),
  identity: optional(text({ maxLength: 253 }), {
    help: 'Name of this replica, such as its pod name; absent: the host name.',
  }),
  federationAddress: withDefault(
    hostPort(),
    { host: '0.0.0.0', port: 7443 },
    { help: 'Where agents connect (mutual TLS).' },
  ),
  enrolmentAddress: withDefault(
    hostPort(),
    { host: '0.0.0.0', port: 7444 },
    { help: 'Where agents join (server TLS).' },
  ),
  aggregatedApiAddress: withDefault(
    hostPort(),
    { host: '0.0.0.0', port: 7445 },
    {
      help: 'Where the API server reaches the aggregated API for logs and explanations.',
    },
  ),
  aggregatedApiService: optional(text({ maxLength: 63 }), {
    help: "Service in the hub's namespace that leads to the aggregated API; with it the hub registers the API with the cluster.",
  }),
  metricsAddress: withDefault(
    hostPort(),
    { host: '0.0.0.0', port: 9090 },
    {
      help: 'Where /metrics, /healthz and /readyz are served.',
    },
  ),
  advertisedFederationAddress: optional(hostPort(), {
    help: 'Address that agents are told to connect to; absent: the first of serverNames with the federation port.',
  }),
  advertisedEnrolmentAddress: optional(hostPort(), {
    help: 'Address that agents are told to join at; absent: the first of serverNames with the enrolment port.',
  }),
  serverNames: withDefault(listOf(text({ maxLength: 253 })), ['localhost', '127.0.0.1'], {
    help: "DNS names and IP addresses that agents use for the hub; they stand in the hub's certificate.",
  }),
  trustDomain: withDefault(
    text({ pattern: /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, allowed: 'a DNS name', maxLength: 253 }),
    'lumbung.dev',
    {
      help: 'Trust domain of the SPIFFE identities that the hub issues.',
    },
  ),
  certificateValidity: withDefault(durationMs({ minMs: MINUTE_MS, maxMs: 30 * DAY_MS }), 30 * DAY_MS, {
    help: "Validity of members' certificates; they are renewed at half of it.",
  }),
  leaderLeaseDuration: withDefault(durationMs({ minMs: 1_000, maxMs: 10 * MINUTE_MS }), 15_000, {
    help: 'Leader election: how long a leader is believed without a renewal; whole seconds.',
  }),
  leaderRenewDeadline: withDefault(durationMs({ minMs: 500, maxMs: 10 * MINUTE_MS }), 10_000, {
    help: 'Leader election: after this long without a renewal the leader gives up.',
  }),
  leaderRetryPeriod: withDefault(durationMs({ minMs: 100, maxMs: MINUTE_MS }), 2_000, {
    help: 'Leader election: time between attempts.',
  }),
  reportInterval: withDefault(durationMs({ minMs: 200, maxMs: 5 * MINUTE_MS }), 5_000, {
    help: 'How often agents report at least.',
  }),
  silentAfter: withDefault(durationMs({ minMs: 500, maxMs: HOUR_MS }), 15_000, {
    help: 'Age of its last report from which a member counts as silent.',
  }),
  massSilenceWindow: withDefault(durationMs({ minMs: 1_000, maxMs: HOUR_MS }), MINUTE_MS, {
    help: 'Members that fall silent within this time of each other count together for the mass-expiry guard.',
  }),
  orphanGrace: withDefault(durationMs({ minMs: 1_000, maxMs: 30 * DAY_MS }), DAY_MS, {
    help: 'How long a run that the hub does not know is left alone before it is ended.',
  }),
  commitConcurrency: withDefault(integer({ min: 1, max: 256 }), 32, { help: 'Placements written at once.' }),
  logLevel: withDefault(oneOf(['error', 'warn', 'info', 'debug']), 'info', {
    help: 'Least severe level that is logged.',
  }),
  logFormat: withDefault(oneOf(['json', 'pretty']), 'json', { help: 'json for machines, pretty for a terminal.' }),
} as const;

export type HubConfig = ConfigOf<typeof hubSettings>;

/** Throws ConfigProblems with every problem at once. */
export function loadHubConfig(sources: Omit<ConfigSources, 'envPrefix'>): HubConfig {
  return loadConfig(hubSettings, { ...sources, envPrefix: HUB_ENV_PREFIX }, (config, problem) => {
    if (config.leaderLeaseDuration % 1000 !== 0) problem('leaderLeaseDuration', 'must be whole seconds');
    if (config.leaderLeaseDuration <= config.leaderRenewDeadline) {
      problem('leaderRenewDeadline', 'must be less than leaderLeaseDuration');
    }
    if (config.leaderRenewDeadline <= 1.2 * config.leaderRetryPeriod) {
      problem('leaderRetryPeriod', 'must be less than leaderRenewDeadline / 1.2');
    }
    if (config.silentAfter < 2 * config.reportInterval) {
      problem('silentAfter', 'must be at least twice reportInterval, or one late report makes a member silent');
    }
    if (config.kubeContext !== undefined && config.kubeconfig === undefined) {
      problem('kubeContext', 'needs kubeconfig');
    }
  });
}

/** For `--help` and the reference page. */
export function describeHubSettings(): readonly SettingDescription[] {
  return describeSettings(hubSettings, HUB_ENV_PREFIX);
}
