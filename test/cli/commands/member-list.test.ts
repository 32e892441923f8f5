import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT } from '../../../src/cli/cli-io.ts';
import { CliRig } from '../cli-rig.ts';

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

describe('lumbung member list', () => {
  it('shows how each member is, in aligned columns without colours', async () => {
    rig.addMember(
      'member-with-a-long-name',
      { accepted: true, jurisdiction: 'ID' },
      {
        conditions: [{ type: 'Connected', status: 'True' }],
        gpuTotals: { total: 16, offered: 12, lent: 4 },
        runs: 3,
        pool: 'research',
        lastReportTime: new Date(Date.now() - 7_000).toISOString(),
      },
    );
    rig.addMember('b', {}, {});
    const { code, out, notes } = await rig.run('member', 'list');
    expect(code).toBe(EXIT.ok);
    expect(notes).toBe('');
    const [heading = '', first = '', second = ''] = out.split('\n');
    expect(heading.split(/ {2,}/)).toEqual([
      'NAME',
      'STATE',
      'CONNECTED',
      'GPUS',
      'OFFERED',
      'LENT',
      'RUNS',
      'JURISDICTION',
      'POOL',
      'REPORT AGE',
    ]);
    expect(first).toMatch(/^member-with-a-long-name +Accepted +True +16 +12 +4 +3 +ID +research +[78]s$/);
    expect(second).toMatch(/^b +Invited +- +- +- +- +0 +- +- +-$/);
    expect(first.indexOf('Accepted')).toBe(heading.indexOf('STATE'));
    expect(out).not.toContain('\u001b');
  });

  it.each([
    [{}, {}, 'Invited'],
    [{}, { pendingRequest: {} }, 'WaitsForAcceptance'],
    [{ accepted: true }, {}, 'Accepted'],
    [{ accepted: true, cordoned: true }, {}, 'Cordoned'],
    [{ accepted: true, cordoned: true, declaredLost: { at: '', reason: '' } }, {}, 'DeclaredLost'],
    [{ accepted: true, revoked: true, declaredLost: { at: '', reason: '' } }, {}, 'Revoked'],
  ])('calls %j with %j %s', async (spec, status, state) => {
    rig.addMember('a', spec, status);
    expect((await rig.run('member', 'ls')).out).toContain(` ${state} `);
  });

  it('says on standard error that there are none', async () => {
    const ran = await rig.run('member', 'list');
    expect(ran).toMatchObject({ code: EXIT.ok, out: '' });
    expect(ran.notes).toContain('lumbung member invite NAME');
  });

  it.each(['json', 'yaml'])('prints the objects as %s, an empty list included', async (format) => {
    const read = (text: string): unknown => (format === 'json' ? JSON.parse(text) : parse(text));
    const none = await rig.run('member', 'list', '--output', format);
    expect(read(none.out)).toEqual([]);
    expect(none.notes).toBe('');
    rig.addMember('a', { region: 'yes: no' });
    const one = await rig.run('member', 'list', '--output', format);
    expect(read(one.out)).toMatchObject([{ metadata: { name: 'a' }, spec: { region: 'yes: no' } }]);
  });
});
