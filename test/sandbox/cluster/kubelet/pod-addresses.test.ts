import { describe, expect, it } from 'vitest';
import { PodAddresses } from '../../../../src/sandbox/cluster/kubelet/pod-addresses.ts';

describe('PodAddresses', () => {
  it('gives every pod an address of its own in the cluster’s block, and nodes theirs', () => {
    const addresses = new PodAddresses(9);
    const taken = Array.from({ length: 600 }, () => addresses.take());
    expect(new Set(taken).size).toBe(600);
    expect(taken[0]).toBe('127.9.0.1');
    expect(taken[254]).toBe('127.9.1.1');
    expect(addresses.takeForNode()).toBe('127.9.255.1');
    expect(taken.every((address) => /^127\.9\.\d{1,3}\.([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])$/.test(address))).toBe(
      true,
    );
  });

  it('gives out again what was released longest ago, once all were used', () => {
    const addresses = new PodAddresses(9);
    const all = Array.from({ length: 255 * 254 }, () => addresses.take());
    expect(() => addresses.take()).toThrow(/127\.9\.0\.0\/16/);
    addresses.release(all[5]!);
    addresses.release(all[6]!);
    expect(addresses.take()).toBe(all[5]);
  });

  it.each([0, 255, 1.5])('refuses block %d', (block) => {
    expect(() => new PodAddresses(block)).toThrow(/addressBlock/);
  });
});
