import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/cli-io.ts';
import { CliRig, memberPath } from '../cli-rig.ts';

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

const patches = (): readonly unknown[] =>
  rig.requests.filter((request) => request.method === 'PATCH').map((request) => request.body);

describe('lumbung member accept', () => {
  it('accepts for the jurisdiction given, before the one of the object and the one the owner states', async () => {
    rig.addMember('a', { jurisdiction: 'SG' }, { pendingRequest: { jurisdiction: 'MY' } });
    const ran = await rig.run('member', 'accept', 'a', '--jurisdiction', 'ID');
    expect(ran).toEqual({ code: EXIT.ok, out: 'member a accepted for jurisdiction ID\n', notes: '' });
    expect(patches()).toEqual([{ spec: { accepted: true, jurisdiction: 'ID' } }]);
  });

  it.each([
    ['the object', { jurisdiction: 'SG' }, { jurisdiction: 'MY' }, 'SG'],
    ["the owner's request", {}, { jurisdiction: 'MY' }, 'MY'],
  ])('takes the jurisdiction of %s', async (_whose, spec, pendingRequest, wanted) => {
    rig.addMember('a', spec, { pendingRequest });
    expect((await rig.run('member', 'accept', 'a')).code).toBe(EXIT.ok);
    expect(rig.member('a')?.spec).toMatchObject({ accepted: true, jurisdiction: wanted });
  });

  it('says that the member has not asked yet', async () => {
    rig.addMember('a', { jurisdiction: 'SG' });
    expect((await rig.run('member', 'accept', 'a')).out).toContain('it has not asked to join yet');
  });

  it('changes nothing while nobody has named a jurisdiction', async () => {
    rig.addMember('a');
    const ran = await rig.run('member', 'accept', 'a');
    expect(ran).toMatchObject({ code: EXIT.usage, out: '' });
    expect(ran.notes).toContain('add --jurisdiction CC');
    expect(patches()).toEqual([]);
  });
});

describe('one word about a member', () => {
  it.each([
    ['cordon', [], { cordoned: true }, 'member a cordoned'],
    ['uncordon', [], { cordoned: false }, 'member a uncordoned'],
    ['revoke', [], { revoked: true }, 'member a revoked'],
    ['revoke', ['--undo'], { revoked: false }, 'member a is no longer revoked'],
  ])('%s %j writes exactly that', async (verb, flags, spec, said) => {
    rig.addMember('a');
    expect(await rig.run('member', verb, 'a', ...flags)).toEqual({ code: EXIT.ok, out: `${said}\n`, notes: '' });
    expect(patches()).toEqual([{ spec }]);
  });

  it('of a member that is not there exits 3', async () => {
    const ran = await rig.run('member', 'cordon', 'nobody');
    expect(ran).toMatchObject({ code: EXIT.notFound, out: '' });
    expect(ran.notes).toContain('"nobody" not found');
  });
});

describe('lumbung member declare-lost', () => {
  it('asks for the word of who knows before it writes', async () => {
    rig.addMember('a');
    const ran = await rig.run('member', 'declare-lost', 'a', '--reason', 'flood');
    expect(ran).toMatchObject({ code: EXIT.usage, out: '' });
    expect(ran.notes).toContain('will run twice; add --yes');
    expect(rig.requests).toEqual([]);
  });

  it('records when and why', async () => {
    rig.addMember('a');
    expect((await rig.run('member', 'declare-lost', 'a', '--reason', 'flood', '--yes')).code).toBe(EXIT.ok);
    const lost = rig.member('a')?.spec['declaredLost'] as { at: string; reason: string };
    expect(lost.reason).toBe('flood');
    expect(Math.abs(Date.parse(lost.at) - Date.now())).toBeLessThan(60_000);
  });

  it('wants a reason', async () => {
    const ran = await rig.run('member', 'declare-lost', 'a', '--yes');
    expect(ran.code).toBe(EXIT.usage);
    expect(ran.notes).toContain('reason');
  });
});

describe('lumbung member leave', () => {
  it('cordons, deletes, says what it waits for, and ends when the member is gone', async () => {
    rig.addMember('a', {}, { runs: 2 });
    let looks = 0;
    rig.answer = ({ method, path }) => {
      if (method !== 'GET' || path !== `${memberPath}/a`) return false;
      looks += 1;
      if (looks === 2) rig.objects.delete(path);
      return false;
    };
    const ran = await rig.run('member', 'leave', 'a');
    expect(ran).toEqual({ code: EXIT.ok, out: 'member a has left\n', notes: 'waiting for 2 runs on a to end\n' });
    const verbs = rig.requests.map((request) => request.method);
    expect(verbs).toEqual(['PATCH', 'DELETE', 'GET', 'GET']);
    expect(rig.requests[1]?.body).toMatchObject({ propagationPolicy: 'Background' });
  });

  it('gives up at its deadline, names what is left, and has not lied about having left', async () => {
    rig.addMember('a', {}, { runs: 1 });
    const ran = await rig.run('member', 'leave', 'a', '--timeout', '0');
    expect(ran).toMatchObject({ code: EXIT.timedOut, out: '' });
    expect(ran.notes).toContain('member a still has 1 run after 0 s; it leaves when they have ended');
  });
});
