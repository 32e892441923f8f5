import { describe, expect, it } from 'vitest';
import { jobUid, memberName } from '../../../src/core/model/ids.ts';
import { ChangeFeed } from '../../../src/hub/state/change-feed.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';

function aFeed(): { feed: ChangeFeed; clock: VirtualClock; logged: string[] } {
  const clock = new VirtualClock();
  const logged: string[] = [];
  const logger = createSinkLogger('error', (_level, message) => logged.push(message));
  return { feed: new ChangeFeed({ clock, logger }), clock, logged };
}

describe('the change feed', () => {
  it('goes on after a reader that throws, and logs it', () => {
    const { feed, logged } = aFeed();
    const told: string[] = [];
    feed.subscribe('job', () => {
      throw new Error('a poor reader');
    });
    feed.subscribe('job', (uid) => told.push(uid));
    feed.job(jobUid('a'));
    expect(told).toEqual(['a']);
    expect(logged).toHaveLength(1);
  });

  it('tells of a desired state once per turn and member, in order of name', () => {
    const { feed, clock } = aFeed();
    const told: string[] = [];
    feed.subscribe('desired', (name) => told.push(name));
    for (const name of ['b', 'a', 'b', 'b']) feed.desired(memberName(name));
    expect(told).toEqual([]);
    clock.advance(0);
    expect(told).toEqual(['a', 'b']);
    feed.desired(memberName('b'));
    clock.advance(0);
    expect(told).toEqual(['a', 'b', 'b']);
  });

  it('tells nobody who has left', () => {
    const { feed } = aFeed();
    const told: string[] = [];
    feed.subscribe('schedulable', () => told.push('x'))();
    feed.schedulable();
    expect(told).toEqual([]);
  });
});
