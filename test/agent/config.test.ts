import { describe, expect, it } from 'vitest';
import { textWith } from '../support/matchers.ts';
import { describeAgentSettings, dialAddress, enrolmentAddress, loadAgentConfig } from '../../src/agent/config.ts';
import { ConfigProblems } from '../../src/platform/config/config.ts';
import { flagsFromArgv } from '../../src/platform/config/flags.ts';

const load = (flags: Record<string, unknown>, env: Record<string, string> = {}) => loadAgentConfig({ flags, env });
const good = { member: 'member-a', hub: 'hub.example:7443' };

function problems(
  flags: Record<string, unknown>,
  env: Record<string, string> = {},
): readonly { field: string; value: string; problem: string }[] {
  try {
    load(flags, env);
  } catch (error) {
    if (error instanceof ConfigProblems) return error.problems;
    throw error;
  }
  return [];
}

describe('the agent’s settings', () => {
  it('need a member and a hub, and default the rest', () => {
    expect(load(good)).toMatchObject({
      member: 'member-a',
      hub: [{ host: 'hub.example', port: 7443 }],
      namespace: 'lumbung-system',
      metricsAddress: { host: '0.0.0.0', port: 9090 },
      leaseDuration: 15_000,
      logLevel: 'info',
    });
  });

  it('take several hubs by repeated flags or commas, and flags before the environment', () => {
    const flags = flagsFromArgv(['--member', 'm', '--hub', 'a:1', '--hub=b:2', '--hub', '[::1]:3']);
    expect(load(flags).hub.map(dialAddress)).toEqual(['a:1', 'b:2', '[::1]:3']);
    expect(load({ member: 'm' }, { LUMBUNG_HUB: 'a:1,b:2', LUMBUNG_MEMBER: 'env' })).toMatchObject({
      member: 'm',
      hub: [{ host: 'a' }, { host: 'b' }],
    });
  });

  it('join at the first hub’s host unless told otherwise', () => {
    expect(enrolmentAddress(load(good))).toBe('hub.example:7444');
    expect(enrolmentAddress(load({ ...good, 'enrol-address': 'join.example:9' }))).toBe('join.example:9');
  });

  it('report every problem at once, with field, value and what is allowed', () => {
    const found = problems({
      member: 'Not A Name',
      hub: 'nowhere',
      'hub-ca-sha256': 'zz',
      'lease-duration': '1500ms',
      surprise: 'x',
    });
    expect(found.map((one) => one.field)).toEqual(expect.arrayContaining(['member', 'hub', 'hubCaSha256', 'surprise']));
    expect(found.find((one) => one.field === 'hub')?.value).toContain('nowhere');
  });

  it.each([
    [
      { 'lease-duration': '1500ms', 'lease-renew-deadline': '1s', 'lease-retry-period': '100ms' },
      'leaseDuration',
      'whole seconds',
    ],
    [
      { 'lease-duration': '2s', 'lease-renew-deadline': '2s', 'lease-retry-period': '100ms' },
      'leaseRenewDeadline',
      'less than leaseDuration',
    ],
    [{ 'lease-renew-deadline': '2s', 'lease-retry-period': '2s' }, 'leaseRetryPeriod', '1.2'],
    [{ token: 'a', 'token-file': 'b' }, 'tokenFile', 'together with token'],
    [{ 'kube-context': 'x' }, 'kubeContext', 'needs kubeconfig'],
    [{ hub: '' }, 'hub', ''],
  ])('refuse %j', (flags, field, text) => {
    expect(problems({ ...good, ...flags })).toMatchObject([{ field, problem: textWith(text) }]);
  });

  it('never show the token', () => {
    const found = problems({ ...good, token: 'x'.repeat(600) });
    expect(found).toMatchObject([{ field: 'token', value: '[redacted]' }]);
    expect(JSON.stringify(describeAgentSettings())).toContain('LUMBUNG_TOKEN');
  });

  it.each(['ab'.repeat(32), 'AB:'.repeat(31) + 'CD'])('take the fingerprint as people write it: %s', (fingerprint) => {
    expect(load({ ...good, 'hub-ca-sha256': fingerprint }).hubCaSha256).toBe(fingerprint);
  });
});
