import { describe, expect, it } from 'vitest';
import {
  ConfigProblems,
  loadConfig,
  optional,
  required,
  withDefault,
  type ConfigSources,
} from '../../../src/platform/config/config.ts';
import { describeSettings } from '../../../src/platform/config/describe-settings.ts';
import { flagsFromArgv } from '../../../src/platform/config/flags.ts';
import { durationMs, hostPort, integer, listOf, oneOf, text } from '../../../src/platform/config/parser.ts';

const schema = {
  listen: withDefault(hostPort(), { host: '::', port: 8443 }, { help: 'Where to listen.' }),
  hubAddress: required(text(), { help: 'Where the hub is.' }),
  joinToken: optional(text({ pattern: /^[a-z0-9.]+$/, allowed: 'lower-case letters, digits and dots' }), {
    help: 'One-use token.',
    secret: true,
  }),
  reportEvery: withDefault(durationMs({ minMs: 1_000, maxMs: 60_000 }), 5_000, {
    help: 'Longest time between reports.',
  }),
  graceSeconds: withDefault(integer({ min: 0, max: 600 }), 30, { help: 'Grace.' }),
  logLevel: withDefault(oneOf(['debug', 'info']), 'info', { help: 'Level.' }),
  names: optional(listOf(text()), { help: 'Names.' }),
};

function sources(given: Partial<ConfigSources>): ConfigSources {
  return { envPrefix: 'LUMBUNG_', env: {}, flags: {}, ...given };
}

function problemsOf(
  given: Partial<ConfigSources>,
  check?: Parameters<typeof loadConfig<typeof schema>>[2],
): ConfigProblems {
  try {
    loadConfig(schema, sources(given), check);
  } catch (error) {
    if (error instanceof ConfigProblems) return error;
    throw error;
  }
  throw new Error('expected problems');
}

describe('loadConfig', () => {
  it('lets a flag beat the environment, that the file, and that the default', () => {
    const file = { path: 'hub.yaml', text: 'hubAddress: from-file\nreportEvery: 7s\ngraceSeconds: 9\nnames: [x, y]\n' };
    const config = loadConfig(
      schema,
      sources({
        env: { LUMBUNG_HUB_ADDRESS: 'from-env', LUMBUNG_REPORT_EVERY: '8s' },
        flags: { 'hub-address': 'from-flag' },
        file,
      }),
    );
    expect(config).toEqual({
      listen: { host: '::', port: 8443 },
      hubAddress: 'from-flag',
      reportEvery: 8_000,
      graceSeconds: 9,
      logLevel: 'info',
      names: ['x', 'y'],
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('takes an empty variable for one that is not set, and leaves unknown variables alone', () => {
    const env = {
      LUMBUNG_HUB_ADDRESS: 'hub:1',
      LUMBUNG_GRACE_SECONDS: '',
      LUMBUNG_HUB_PORT_443_TCP: 'tcp://10.0.0.1:443',
    };
    expect(loadConfig(schema, sources({ env })).graceSeconds).toBe(30);
  });

  it('reports every problem at once, with source, value and what is allowed, and no secret', () => {
    const problems = problemsOf({
      env: { LUMBUNG_JOIN_TOKEN: 'SECRET TOKEN', LUMBUNG_LISTEN: 'nowhere' },
      flags: { 'grace-seconds': '601', 'log-levle': 'debug' },
      file: { path: 'hub.yaml', text: 'reportEvery: 2h\nlogLevel: loud\nlogging: {}\n' },
    });
    const seen = problems.problems.map((each) => `${each.field} | ${each.source} | ${each.value} | ${each.problem}`);
    expect(seen).toEqual([
      'log-levle | --log-levle | (given) | is unknown; there are listen, hub-address, join-token, report-every, grace-seconds, log-level, names',
      'logging | hub.yaml | (given) | is unknown; there are listen, hubAddress, joinToken, reportEvery, graceSeconds, logLevel, names',
      'listen | LUMBUNG_LISTEN | "nowhere" | must be host:port, [IPv6]:port or :port',
      'hubAddress | --hub-address or LUMBUNG_HUB_ADDRESS | (not set) | is required: a text of 1 to 4096 characters',
      'joinToken | LUMBUNG_JOIN_TOKEN | [redacted] | must be lower-case letters, digits and dots',
      'reportEvery | hub.yaml | "2h" | must be a duration such as 1h30m or 250ms, from 1s to 1m',
      'graceSeconds | --grace-seconds | "601" | must be a whole number from 0 to 600',
      'logLevel | hub.yaml | "loud" | must be one of debug, info',
    ]);
    expect(problems.message).toContain('has 8 problems');
    expect(problems.message).not.toContain('SECRET');
  });

  it('checks across fields only what is good by itself', () => {
    const check: Parameters<typeof loadConfig<typeof schema>>[2] = (config, problem) => {
      if (config.graceSeconds * 1_000 > config.reportEvery)
        problem('graceSeconds', 'must not be longer than reportEvery');
    };
    const bad = problemsOf({ flags: { 'hub-address': 'h' } }, check);
    expect(bad.problems).toEqual([
      {
        field: 'graceSeconds',
        source: 'together with others',
        value: '30',
        problem: 'must not be longer than reportEvery',
      },
    ]);
    expect(problemsOf({}, check).problems.map((each) => each.field)).toEqual(['hubAddress']);
  });

  it.each([
    { name: 'text that is no YAML', text: 'a: [', want: 'is not YAML' },
    { name: 'a list', text: '- a\n', want: 'must be a mapping of settings' },
    { name: 'a scalar', text: 'hello', want: 'must be a mapping of settings' },
  ])('refuses a file with $name', ({ text: content, want }) => {
    const [problem] = problemsOf({ flags: { 'hub-address': 'h' }, file: { path: 'x.yaml', text: content } }).problems;
    expect(problem).toMatchObject({ source: 'x.yaml' });
    expect(problem?.problem).toContain(want);
  });

  it('describes itself for help and docs, defaults of secrets hidden', () => {
    const described = describeSettings(
      { ...schema, secretWithDefault: withDefault(text(), 'hush', { help: 'x', secret: true }) },
      'LUMBUNG_',
    );
    expect(described.find((each) => each.key === 'reportEvery')).toEqual({
      key: 'reportEvery',
      flag: '--report-every',
      variable: 'LUMBUNG_REPORT_EVERY',
      allowed: 'a duration such as 1h30m or 250ms, from 1s to 1m',
      fallback: '5000',
      help: 'Longest time between reports.',
    });
    expect(described.map((each) => each.fallback)).toContain('required');
    expect(JSON.stringify(described)).not.toContain('hush');
  });
});

describe('flagsFromArgv', () => {
  it('reads values, switches and negations', () => {
    expect(flagsFromArgv(['--a', '1', '--b-c=x=y', '--on', '--no-off', '--e', '-1'])).toEqual({
      a: '1',
      'b-c': 'x=y',
      on: true,
      off: false,
      e: '-1',
    });
  });

  it('names stray words by their place, since they may be halves of secrets', () => {
    expect(() => flagsFromArgv(['--a=1', 'stray'])).toThrow(/word 2/);
    expect(() => flagsFromArgv(['s3cret'])).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('s3cret') as string }),
    );
  });
});
