import { describe, expect, it } from 'vitest';
import { describeHubSettings, loadHubConfig } from '../../src/hub/config.ts';
import { ConfigProblems } from '../../src/platform/config/config.ts';

const problemsOf = (
  flags: Record<string, unknown>,
  env: Record<string, string> = {},
): readonly { field: string; problem: string }[] => {
  try {
    loadHubConfig({ env, flags });
  } catch (error) {
    if (error instanceof ConfigProblems) return error.problems;
    throw error;
  }
  return [];
};

describe('the settings of the hub', () => {
  it('has a default for everything', () => {
    expect(loadHubConfig({ env: {}, flags: {} })).toMatchObject({
      namespace: 'lumbung-system',
      federationAddress: { port: 7443 },
      leaderLeaseDuration: 15_000,
      silentAfter: 15_000,
      reportInterval: 5_000,
    });
  });

  it('takes flags over the environment, and seconds for tests', () => {
    const config = loadHubConfig({
      env: { LUMBUNG_SILENT_AFTER: '9s', LUMBUNG_REPORT_INTERVAL: '1s' },
      flags: { 'silent-after': '3s', 'federation-address': '127.0.0.1:0' },
    });
    expect(config).toMatchObject({
      silentAfter: 3_000,
      reportInterval: 1_000,
      federationAddress: { host: '127.0.0.1', port: 0 },
    });
  });

  it.each([
    { flags: { 'silent-after': '6s' }, field: 'silentAfter' },
    { flags: { 'leader-renew-deadline': '15s' }, field: 'leaderRenewDeadline' },
    { flags: { 'leader-retry-period': '9s' }, field: 'leaderRetryPeriod' },
    { flags: { 'leader-lease-duration': '15500ms' }, field: 'leaderLeaseDuration' },
    { flags: { 'kube-context': 'x' }, field: 'kubeContext' },
  ])('refuses $flags', ({ flags, field }) => {
    expect(problemsOf(flags).map((one) => one.field)).toContain(field);
  });

  it('reports all problems at once', () => {
    const fields = problemsOf({
      'log-level': 'loud',
      'metrics-address': 'nowhere:port',
      'report-interval': 'soon',
    }).map((one) => one.field);
    expect(fields.sort()).toEqual(['logLevel', 'metricsAddress', 'reportInterval']);
  });

  it('describes every setting', () => {
    for (const setting of describeHubSettings()) expect(setting.help, setting.key).toMatch(/[.]$/);
  });
});
