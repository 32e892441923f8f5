import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/cli-io.ts';
import { CliRig, sendStatus } from '../cli-rig.ts';

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

describe('lumbung logs', () => {
  it('prints the bytes as they come, control characters and all', async () => {
    rig.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('epoch 1\n');
      response.end('\u001b[32mloss 0.5\u001b[0m no newline at the end');
      return true;
    };
    expect(await rig.run('logs', 'train')).toEqual({
      code: EXIT.ok,
      out: 'epoch 1\n\u001b[32mloss 0.5\u001b[0m no newline at the end',
      notes: '',
    });
  });

  it('asks for worker 0 of the latest attempt unless told otherwise', async () => {
    rig.answer = (_request, response) => Boolean(response.end());
    await rig.run('logs', 'train');
    await rig.run(
      'logs',
      'train',
      '-n',
      'x',
      '--worker=3',
      '--attempt=2',
      '-c',
      'main',
      '-f',
      '--tail=5',
      '--since=60',
    );
    await rig.run('logs', 'train', '--timestamps');
    expect(rig.requests.map(({ path, query }) => `${path.split('/v1alpha1')[1] ?? ''}?${query.toString()}`)).toEqual([
      '/namespaces/team-a/computejobs/train/log?worker=0',
      '/namespaces/x/computejobs/train/log?worker=3&attempt=2&container=main&follow=true&tailLines=5&sinceSeconds=60',
      '/namespaces/team-a/computejobs/train/log?worker=0&timestamps=true',
    ]);
  });

  it('does not take a log that breaks off for its end', async () => {
    rig.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('half a l', () => response.destroy());
      return true;
    };
    const ran = await rig.run('logs', 'train');
    expect(ran).toMatchObject({ code: EXIT.failed, out: 'half a l' });
    expect(ran.notes).toContain('the log broke off before its end');
  });

  it.each([
    [403, 'ForbiddenByOwner', EXIT.forbidden],
    [404, 'NotFound', EXIT.notFound],
    [409, 'NotStarted', EXIT.failed],
    [410, 'Expired', EXIT.failed],
  ] as const)('says why there is no log: %d %s exits %d%s', async (status, reason, code) => {
    rig.answer = (_request, response) => sendStatus(response, status, reason, `the reason is ${reason}`);
    const ran = await rig.run('logs', 'train');
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.notes).toContain(`the reason is ${reason}`);
  });

  it('tries again while the member is about to connect', async () => {
    let asked = 0;
    rig.answer = (_request, response) => {
      asked += 1;
      if (asked < 3) return sendStatus(response, 503, 'ServiceUnavailable', 'member a is not connected to the hub');
      return Boolean(response.end('line\n'));
    };
    expect(await rig.run('logs', 'train')).toEqual({ code: EXIT.ok, out: 'line\n', notes: '' });
  });

  it('stops at once when interrupted while it follows', async () => {
    rig.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('line\n', () => {
        setImmediate(() => {
          rig.interrupt.abort();
        });
      });
      return true;
    };
    expect((await rig.run('logs', 'train', '-f')).code).toBe(EXIT.interrupted);
  });
});
