import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import {
  createLogger,
  createSinkLogger,
  silentLogger,
  type LogLevel,
  type Logger,
} from '../../../src/platform/log/logger.ts';

function aLogger(level: LogLevel, format: 'json' | 'pretty' = 'json'): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(
        ...chunk
          .toString('utf8')
          .split('\n')
          .filter((line) => line !== ''),
      );
      done();
    },
  });
  const logger = createLogger({
    level,
    format,
    destination,
    nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    fields: { component: 'hub' },
  });
  return { logger, lines };
}

describe('logger', () => {
  it('writes one JSON object a line with time, level, message and fields', () => {
    const { logger, lines } = aLogger('info');
    logger.child({ member: 'north' }).info('joined', { gpus: 8, since: undefined, level: 'forged' });
    expect(JSON.parse(lines[0]!)).toEqual({
      time: '2026-01-02T03:04:05.006Z',
      level: 'info',
      message: 'joined',
      component: 'hub',
      member: 'north',
      gpus: 8,
      level_: 'forged',
    });
  });

  it('writes for people when told to', () => {
    const { logger, lines } = aLogger('info', 'pretty');
    logger.warn('slow', { ms: 12 });
    expect(lines).toEqual(['03:04:05.006 WARN  slow component="hub" ms=12']);
  });

  it('keeps one line a line, whatever is in it', () => {
    const { logger, lines } = aLogger('info');
    logger.info('first\n{"level":"error","message":"forged"}');
    expect(lines).toHaveLength(1);
  });

  it.each<{ level: LogLevel; want: string[] }>([
    { level: 'error', want: ['e'] },
    { level: 'warn', want: ['e', 'w'] },
    { level: 'info', want: ['e', 'w', 'i'] },
    { level: 'debug', want: ['e', 'w', 'i', 'd'] },
  ])('at $level writes that and what is graver, and builds no fields for the rest', ({ level, want }) => {
    const seen: string[] = [];
    let built = 0;
    const logger = createSinkLogger(level, (_level, message) => seen.push(message));
    const fields = (): { built: number } => ({ built: (built += 1) });
    logger.error('e', fields);
    logger.warn('w', fields);
    logger.info('i', fields);
    logger.debug('d', fields);
    expect(seen).toEqual(want);
    expect(built).toBe(want.length);
    expect(logger.isDebug).toBe(level === 'debug');
  });

  it('writes nothing at all when silent', () => {
    expect(silentLogger().isDebug).toBe(false);
    expect(() => {
      silentLogger()
        .child({})
        .error('x', () => {
          throw new Error('not built');
        });
    }).not.toThrow();
  });
});

describe('redaction', () => {
  function logged(fields: Record<string, unknown>, message = 'm'): string {
    let line = '';
    createSinkLogger('debug', (_level, text, given) => (line = text + JSON.stringify(given))).info(message, fields);
    return line;
  }

  it.each([
    'token',
    'joinToken',
    'clientSecret',
    'password',
    'PASSWD',
    'Authorization',
    'set-cookie',
    'credentials',
    'privateKey',
    'keyPem',
    'key_pem',
    'api-key',
    'tokenHash',
    'secretData',
  ])('hides the field %s at any depth', (name) => {
    const line = logged({ [name]: 'hush', deep: { list: [{ [name]: { more: 'hush' } }] } });
    expect(line).not.toContain('hush');
    expect(line).toContain('[redacted]');
  });

  it.each([
    'key',
    'secretName',
    'tokenId',
    'secretRef',
    'secret_name',
    'publicKeyFingerprint',
    'tokenExpirySeconds',
    'queue',
  ])('shows the field %s', (name) => {
    expect(logged({ [name]: 'shown' })).toContain('shown');
  });

  it.each([
    ['a private key', '-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----'],
    ['a cut private key', 'x -----BEGIN EC PRIVATE KEY-----\nhush hush'],
    ['a bearer token', 'Authorization: Bearer hushhush.hush'],
    ['basic credentials', 'basic aHVzaDpodXNoaHVzaA== (hush)'.replace(' (hush)', '')],
    ['a web token', 'eyJhbGciOiJI.eyJodXNoIjoi.hush'],
  ])('cuts %s out of messages, values and errors', (_name, text) => {
    for (const line of [
      logged({ note: text }),
      logged({}, text),
      logged({ error: new Error(text, { cause: new Error(text) }) }),
    ]) {
      expect(line).not.toMatch(/hush|aHVzaDpodXNo|eyJodXNo/);
      expect(line).toContain('[redacted]');
    }
  });

  it('turns anything into plain JSON: errors with their fields, cycles, depth, bigints, bytes, maps', () => {
    const cycle: Record<string, unknown> = { name: 'loop' };
    cycle['self'] = cycle;
    let deep: unknown = 'bottom';
    for (let i = 0; i < 20; i += 1) deep = { deep };
    const error = new KubeError({ status: 409, reason: 'Conflict', message: 'changed' });
    const line = logged({
      error,
      aggregate: new AggregateError([new Error('one'), 'two'], 'both'),
      cycle,
      deep,
      big: 10n,
      bytes: new Uint8Array(7),
      map: new Map([['a', 1]]),
      set: new Set([1, 2]),
      date: new Date(0),
      bad: new Date(Number.NaN),
      infinite: Infinity,
      fn: () => 1,
      long: Array.from({ length: 300 }, (_, i) => i),
      text: 'x'.repeat(10_000),
      none: null,
    });
    expect(line).toContain(
      '"error":"KubeError","message":"changed","kind":"KubeError","status":409,"reason":"Conflict"',
    );
    for (const want of [
      '[cycle]',
      '[too deep]',
      '"big":"10"',
      '[7 bytes]',
      '"map":{"a":1}',
      '"set":[1,2]',
      '1970-01-01T00:00:00.000Z',
      'invalid date',
      '"infinite":"Infinity"',
      '[function]',
      '... 100 more',
      '(10000 characters)',
      '"one"',
    ]) {
      expect(line).toContain(want);
    }
  });
});
