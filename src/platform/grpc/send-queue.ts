/**
 * What waits to be sent on a stream: two lanes, latest wins per key.
 *
 * Invariants: order holds within a lane; a replaced message keeps the place of the one it replaces; memory is bounded by the
 * number of distinct keys plus what was sent without a key. Knows nothing of transports.
 */
import type { Lane, SendOptions } from './message-stream.ts';

interface Slot<T> {
  readonly key: string | undefined;
  message: T;
}

class LaneQueue<T> {
  private readonly byKey = new Map<string, Slot<T>>();
  private readonly slots: Slot<T>[] = [];
  /** Slots before this one were taken; compacted now and then, so that taking stays cheap. */
  private head = 0;

  get length(): number {
    return this.slots.length - this.head;
  }

  push(message: T, key: string | undefined): void {
    const waiting = key === undefined ? undefined : this.byKey.get(key);
    if (waiting !== undefined) {
      waiting.message = message;
      return;
    }
    const slot = { key, message };
    this.slots.push(slot);
    if (key !== undefined) this.byKey.set(key, slot);
  }

  shift(): Slot<T> | undefined {
    const slot = this.slots[this.head];
    if (slot === undefined) return undefined;
    this.head += 1;
    if (slot.key !== undefined) this.byKey.delete(slot.key);
    if (this.head > 64 && this.head * 2 > this.slots.length) {
      this.slots.splice(0, this.head);
      this.head = 0;
    }
    return slot;
  }

  clear(): void {
    this.slots.length = 0;
    this.head = 0;
    this.byKey.clear();
  }
}

export class SendQueue<T> {
  private readonly lanes: Readonly<Record<Lane, LaneQueue<T>>> = { priority: new LaneQueue(), normal: new LaneQueue() };

  get length(): number {
    return this.lanes.priority.length + this.lanes.normal.length;
  }

  push(message: T, options: SendOptions = {}): void {
    this.lanes[options.lane ?? 'normal'].push(message, options.key);
  }

  /** The next message: priority before normal. Boxed, since a message may itself be undefined. */
  shift(): { readonly message: T } | undefined {
    return this.lanes.priority.shift() ?? this.lanes.normal.shift();
  }

  clear(): void {
    this.lanes.priority.clear();
    this.lanes.normal.clear();
  }
}
