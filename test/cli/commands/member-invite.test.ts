import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT } from '../../../src/cli/cli-io.ts';
import { CliRig, hubInfoPath } from '../cli-rig.ts';

let rig: CliRig;
beforeEach(async () => {
  rig = await CliRig.start();
});
afterEach(async () => {
  await rig.stop();
});

interface Invite {
  readonly tokenSha256: string;
  readonly expiresAt: string;
  readonly rejoin: boolean;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const inviteOf = (name: string): Invite => rig.member(name)?.spec['invite'] as Invite;

describe('lumbung member invite', () => {
  it('makes a MemberCluster that holds the hash of the token it prints, and never the token', async () => {
    const beforeMs = Date.now();
    const ran = await rig.run(
      'member',
      'invite',
      'member-a',
      '--jurisdiction',
      'ID',
      '--label',
      'tier=gold',
      '--hours=2',
    );
    expect(ran).toMatchObject({ code: EXIT.ok, notes: '' });
    const token = /--set token=(\S+)/.exec(ran.out)?.[1] ?? '';
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(inviteOf('member-a').tokenSha256).toBe(sha256(token));
    expect(JSON.stringify(rig.requests)).not.toContain(token);
    expect(rig.member('member-a')).toMatchObject({
      metadata: { labels: { tier: 'gold' } },
      spec: { jurisdiction: 'ID', invite: { rejoin: false } },
    });
    const lifeMs = Date.parse(inviteOf('member-a').expiresAt) - beforeMs;
    expect(Math.abs(lifeMs - 2 * 3_600_000)).toBeLessThan(60_000);
  });

  it('prints the one helm line with where the hub is and what to trust', async () => {
    const { out } = await rig.run('member', 'invite', 'member-a');
    expect(out).toContain('helm install lumbung-agent');
    expect(out).toContain('--set hub.address=hub.example:7443');
    expect(out).toContain('--set hub.enrolmentAddress=hub.example:7444');
    expect(out).toContain(`--set hub.caSha256=${'ab'.repeat(32)}`);
    expect(out).toContain('lumbung member accept member-a');
  });

  it.each(['json', 'yaml'])('prints %s for machines with nothing beside it', async (format) => {
    const { out, notes } = await rig.run('member', 'invite', 'member-a', '-o', format);
    const parsed = (format === 'json' ? JSON.parse(out) : parse(out)) as Record<string, string>;
    expect(parsed).toMatchObject({ member: 'member-a', federationAddress: 'hub.example:7443' });
    expect(sha256(parsed['token'] ?? '')).toBe(inviteOf('member-a').tokenSha256);
    expect(notes).toBe('');
  });

  it('makes another token each time and leaves what is not named as it is', async () => {
    rig.addMember('member-a', { jurisdiction: 'ID', region: 'west' });
    await rig.run('member', 'invite', 'member-a', '--label', 'zone=1');
    const first = inviteOf('member-a').tokenSha256;
    await rig.run('member', 'invite', 'member-a');
    expect(inviteOf('member-a').tokenSha256).not.toBe(first);
    expect(rig.member('member-a')).toMatchObject({
      metadata: { labels: { tier: 'gold', zone: '1' } },
      spec: { jurisdiction: 'ID', region: 'west' },
    });
  });

  it('lets a member that joined before in again only when told to', async () => {
    rig.addMember('member-a', { accepted: true, jurisdiction: 'ID' }, { clusterUid: 'cluster-1' });
    const refused = await rig.run('member', 'invite', 'member-a');
    expect(refused).toMatchObject({ code: EXIT.failed, out: '' });
    expect(refused.notes).toContain('add --rejoin');
    expect(inviteOf('member-a')).toBeUndefined();
    expect((await rig.run('member', 'invite', 'member-a', '--rejoin')).code).toBe(EXIT.ok);
    expect(inviteOf('member-a').rejoin).toBe(true);
    expect(rig.member('member-a')?.spec).toMatchObject({ accepted: true, jurisdiction: 'ID' });
  });

  it('lets a cluster that asked but was never accepted be replaced', async () => {
    rig.addMember('member-a', {}, { clusterUid: 'cluster-of-yesterday' });
    expect((await rig.run('member', 'invite', 'member-a')).code).toBe(EXIT.ok);
  });

  it('says that there is nobody to rejoin', async () => {
    const ran = await rig.run('member', 'invite', 'member-z', '--rejoin');
    expect(ran).toMatchObject({ code: EXIT.notFound, out: '' });
    expect(ran.notes).toContain('there is no member member-z yet');
  });

  it.each([
    ['is absent', undefined],
    ['lacks an address', { metadata: { name: 'lumbung-hub' }, data: { federationAddress: 'x:1' } }],
  ])('makes no invitation when the ConfigMap of the hub %s', async (_what, object) => {
    if (object === undefined) rig.objects.delete(hubInfoPath);
    else rig.objects.set(hubInfoPath, object);
    const ran = await rig.run('member', 'invite', 'member-a');
    expect(ran).toMatchObject({ code: EXIT.notFound, out: '' });
    expect(ran.notes).toContain('lumbung-system/lumbung-hub');
    expect(rig.member('member-a')).toBeUndefined();
  });
});
