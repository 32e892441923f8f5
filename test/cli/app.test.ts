import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/cli/cli-io.ts';
import { CliRig, memberPath, sendStatus } from './cli-rig.ts';

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

describe('the command line', () => {
  it.each([
    [[], /say what to do/],
    [['member'], /say what to do with members: invite, accept, list/],
    [['run'], /say what to look at: orphans/],
    [['explian', 'train'], /Did you mean explain/],
    [['member', 'acept', 'member-a'], /Did you mean accept/],
    [['member', 'accept'], /Not enough non-option arguments/],
    [['explain'], /Not enough non-option arguments/],
    [['member', 'list', '--colour'], /Unknown argument: colour/],
    [['member', 'list', '-o', 'xml'], /output.*xml.*table.*json.*yaml/s],
    [['member', 'invite', 'a', '--hours', '25'], /--hours: 25 is not allowed.*at most 24/],
    [['member', 'invite', 'a', '--hours', '0'], /--hours: 0 is not allowed.*above 0/],
    [['member', 'invite', 'a', '--hours', 'soon'], /--hours: what is no number is not allowed/],
    [['member', 'invite', 'a', '--label', 'gold'], /--label: "gold" is not of the form KEY=VALUE/],
    [['member', 'invite', 'a', '--label', '=gold'], /--label: "=gold" is not of the form KEY=VALUE/],
    [['member', 'leave', 'a', '--timeout', 'never'], /--timeout: what is no number/],
    [['member', 'leave', 'a', '--timeout', '1', '--timeout', '2'], /--timeout: given 2 times/],
    [['logs', 'train', '--worker', 'x'], /--worker: what is no number.*whole number of at least 0/],
    [['logs', 'train', '--worker', '1.5'], /--worker: 1.5 is not allowed/],
    [['logs', 'train', '--attempt', '0'], /--attempt: 0 is not allowed.*at least 1/],
    [['logs', 'train', '--tail=-1'], /--tail: -1 is not allowed/],
  ] as const)('refuses %j with exit code 2 and says what is wrong', async (argv, message) => {
    const ran = await rig.run(...argv);
    expect(ran.notes).toMatch(message);
    expect(ran).toMatchObject({ code: EXIT.usage, out: '' });
    expect(rig.requests).toEqual([]);
  });

  it('prints help and version to standard output and exits 0', async () => {
    const help = await rig.run('--help');
    expect(help).toMatchObject({ code: EXIT.ok, notes: '' });
    for (const verb of ['member', 'run', 'explain', 'logs', 'sandbox']) expect(help.out).toContain(`lumbung ${verb}`);
    expect(await rig.run('--version')).toEqual({ code: EXIT.ok, out: '1.2.3\n', notes: '' });
    expect((await rig.run('member', 'invite', '--help')).out).toContain('--jurisdiction');
  });

  it.each([
    [400, 'BadRequest', EXIT.failed],
    [401, 'Unauthorized', EXIT.forbidden],
    [403, 'Forbidden', EXIT.forbidden],
    [404, 'NotFound', EXIT.notFound],
    [409, 'Conflict', EXIT.failed],
    [422, 'Invalid', EXIT.failed],
  ] as const)('shows what the API server says with %d %s and exits %d%s', async (status, reason, code) => {
    rig.answer = (_request, response) => sendStatus(response, status, reason, `because of ${reason}`);
    const ran = await rig.run('member', 'cordon', 'member-a');
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.notes).toContain(`because of ${reason}`);
  });

  it('exits 6 when the hub waited for a member in vain', async () => {
    rig.answer = (_request, response) => sendStatus(response, 504, 'Timeout', 'member a did not answer within 10 s');
    const ran = await rig.run('explain', 'train');
    expect(ran).toMatchObject({ code: EXIT.timedOut, out: '' });
    expect(ran.notes).toContain('did not answer');
  });

  it('exits 5 when nobody listens', async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const path = await rig.writeKubeconfig('gone', rig.kubeconfigFor(port));
    const ran = await rig.run('member', 'list', '--kubeconfig', path);
    expect(ran).toMatchObject({ code: EXIT.unreachable, out: '' });
    expect(ran.notes).toMatch(/^the hub cluster cannot be reached: /);
  });

  it('exits 130 when interrupted while it waits', async () => {
    rig.answer = () => {
      rig.interrupt.abort();
      return true;
    };
    expect(await rig.run('logs', 'train')).toEqual({ code: EXIT.interrupted, out: '', notes: '' });
  });

  it.each([
    ['no-such-file', undefined, /^kubeconfig .*no-such-file: .*ENOENT/],
    ['empty', '{}', /^kubeconfig .*empty: context .* is missing/],
    ['broken', 'token: "s3cr3t-canary', /^kubeconfig .*broken: cannot be read/],
  ])('names a kubeconfig that cannot be used: %s', async (name, text, message) => {
    const path = text === undefined ? `${rig.kubeconfig}-no-such-file` : await rig.writeKubeconfig(name, text);
    const ran = await rig.run('member', 'list', '--kubeconfig', path);
    expect(ran).toMatchObject({ code: EXIT.usage, out: '' });
    expect(ran.notes).toMatch(message);
    expect(ran.notes).not.toContain('s3cr3t-canary');
  });

  it('names the contexts there are when the one asked for is missing', async () => {
    const ran = await rig.run('member', 'list', '--context', 'nope');
    expect(ran.code).toBe(EXIT.usage);
    expect(ran.notes).toMatch(/context "nope" is missing; it has hub, other/);
  });

  it('lets nothing that a server says reach the terminal as an escape sequence', async () => {
    rig.answer = (_request, response) => sendStatus(response, 400, 'BadRequest', 'red \u001b[31malert\u0007');
    expect((await rig.run('explain', 'train')).notes).toBe('red  [31malert  (BadRequest)\n');
  });

  it('sends to the cluster of the kubeconfig and says who it is', async () => {
    await rig.run('member', 'list');
    expect(rig.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([`GET ${memberPath}`]);
  });
});

describe('docs/cli.md', () => {
  const page = readFileSync('docs/cli.md', 'utf8');

  it('has each verb that the command has, and no other', async () => {
    const top = verbsOf((await rig.run('--help')).out);
    const all: string[] = [];
    for (const verb of top) {
      const inner = verb === 'member' || verb === 'run' ? verbsOf((await rig.run(verb, '--help')).out) : [];
      all.push(...(inner.length === 0 ? [verb] : inner.map((name) => `${verb} ${name}`)));
    }
    const rows = [...page.matchAll(/^\| (`lumbung [^|]+) \|/gm)].map((match) => match[1] ?? '');
    const documented = rows.flatMap((row) => {
      const [first = '', ...more] = [...row.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
      const words = first.split(' ').filter((word) => /^[a-z-]+$/.test(word) && word !== 'lumbung');
      return [words.join(' '), ...more.map((text) => `${words[0] ?? ''} ${text.split(' ')[0] ?? ''}`)];
    });
    expect([...documented].sort()).toEqual([...all].sort());
  });

  it('has each exit code', () => {
    const codes = [...page.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
    expect(codes).toEqual(Object.values(EXIT));
  });
});

/** The commands that a help text lists. */
function verbsOf(help: string): readonly string[] {
  const commands = /Commands:\n([\s\S]*?)\n\n/.exec(help)?.[1] ?? '';
  return [...commands.matchAll(/^ {2}lumbung (.*?)(?: {2,}|$)/gm)]
    .map((match) => (match[1] ?? '').split(' ').filter((word) => /^[a-z-]+$/.test(word)))
    .map((words) => words.at(-1) ?? '')
    .filter((word) => word !== '');
}
