import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendQueue } from '../../../src/platform/grpc/send-queue.ts';

interface Sent {
  readonly id: number;
  readonly key: string | undefined;
  readonly lane: 'priority' | 'normal';
}

describe('SendQueue', () => {
  it('behaves as the obvious slow list does', () => {
    const operation = fc.oneof(
      fc.record({
        kind: fc.constant('push' as const),
        key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
        lane: fc.constantFrom('priority' as const, 'normal' as const),
      }),
      fc.record({ kind: fc.constant('shift' as const) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const queue = new SendQueue<Sent>();
        const model: Sent[] = [];
        let id = 0;
        for (const each of operations) {
          if (each.kind === 'push') {
            const sent: Sent = { id: (id += 1), key: each.key, lane: each.lane };
            queue.push(sent, { lane: each.lane, ...(each.key === undefined ? {} : { key: each.key }) });
            const at = model.findIndex(
              (waiting) => each.key !== undefined && waiting.key === each.key && waiting.lane === each.lane,
            );
            if (at === -1) model.push(sent);
            else model[at] = sent;
          } else {
            const at = Math.max(
              0,
              model.findIndex((waiting) => waiting.lane === 'priority'),
            );
            const [want] = model.splice(at, 1);
            expect(queue.shift()?.message).toEqual(want);
          }
          expect(queue.length).toBe(model.length);
        }
      }),
    );
  });

  it('is empty after clear, and takes messages again', () => {
    const queue = new SendQueue<string>();
    queue.push('a', { key: 'k' });
    queue.clear();
    expect(queue.shift()).toBeUndefined();
    queue.push('b', { key: 'k' });
    expect(queue.shift()).toMatchObject({ message: 'b' });
  });
});
