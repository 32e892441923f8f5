import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../src/platform/clock/virtual-clock.ts';
import { NameDirectory } from '../../../../src/sandbox/cluster/kubelet/name-directory.ts';
import type { Service } from '../../../../src/sandbox/cluster/kubelet/rendezvous-names.ts';

const service: Service = {
  metadata: { name: 's', namespace: 'ns' },
  spec: { clusterIP: 'None', selector: { job: 'x' }, publishNotReadyAddresses: true },
};
const listed = {
  uid: 'u',
  namespace: 'ns',
  hostname: 'job-0',
  subdomain: 's',
  labels: { job: 'x' },
  ready: false,
  podIp: '127.1.0.9',
};

function directory(clock: VirtualClock): NameDirectory {
  return new NameDirectory({ clock, service: (ns, name) => (ns === 'ns' && name === 's' ? service : undefined) });
}

describe('NameDirectory', () => {
  it('waits for the pod and answers with its address', async () => {
    const clock = new VirtualClock();
    const names = directory(clock);
    const answer = names.resolve('job-0.s', 'ns', new AbortController().signal);
    await clock.advanceAsync(5000);
    names.put(listed);
    expect(await answer).toBe('127.1.0.9');
    expect(clock.nextDueMs()).toBeUndefined();
  });

  it('gives up after its limit and leaves the name as it is', async () => {
    const clock = new VirtualClock();
    const names = directory(clock);
    names.put(listed);
    names.remove('ns', 'u');
    const answer = names.resolve('job-0.s', 'ns', new AbortController().signal);
    await clock.advanceAsync(120_000);
    expect(await answer).toBe('job-0.s');
  });

  it('ends at once when the pod is stopped', async () => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const answer = directory(clock).resolve('job-0.s', 'ns', stop.signal);
    stop.abort();
    expect(await answer).toBe('job-0.s');
    expect(clock.nextDueMs()).toBeUndefined();
  });

  it('does not wait for what is no name of this cluster', async () => {
    const names = directory(new VirtualClock());
    const { signal } = new AbortController();
    expect(await names.resolve('example.com', 'ns', signal)).toBe('example.com');
    expect(await names.resolve('file.txt', 'ns', signal)).toBe('file.txt');
  });
});
