import { describe, expect, it } from 'vitest';
import { SessionRegistry, type OpenSession } from '../../../src/hub/federation/session-registry.ts';
import { memberName } from '../../../src/core/model/ids.ts';

function aSession(member: string, epoch: number, ended: string[]): OpenSession {
  return {
    member: memberName(member),
    epoch,
    sealingPublicKey: new Uint8Array(32),
    certificateFingerprint: '',
    jurisdiction: 'ID',
    over: false,
    send: () => true,
    end: (reason) => ended.push(`${member}/${epoch} ${reason}`),
  };
}

describe('SessionRegistry', () => {
  it('keeps one session a member, tells the older one, and counts members', () => {
    const counts: number[] = [];
    const ended: string[] = [];
    const registry = new SessionRegistry((count) => counts.push(count));
    const older = aSession('a', 1, ended);
    const newer = aSession('a', 2, ended);
    registry.add(older);
    registry.add(newer);
    registry.add(aSession('b', 1, ended));
    expect(ended).toEqual(['a/1 Superseded']);
    expect(counts).toEqual([1, 1, 2]);
    registry.remove(older);
    expect(registry.get(memberName('a'))).toBe(newer);
    registry.remove(newer);
    registry.remove(newer);
    expect(counts).toEqual([1, 1, 2, 1]);
  });

  it('can be emptied while its sessions take themselves out', () => {
    const registry = new SessionRegistry(() => undefined);
    const ended: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      const session = aSession(name, 1, ended);
      registry.add({
        ...session,
        end: (...args) => {
          session.end(...args);
          const mine = registry.get(session.member);
          if (mine !== undefined) registry.remove(mine);
        },
      });
    }
    registry.endAll('NotLeader', 'over', 500);
    expect(ended).toEqual(['a/1 NotLeader', 'b/1 NotLeader', 'c/1 NotLeader']);
    expect(registry.all()).toEqual([]);
  });
});
