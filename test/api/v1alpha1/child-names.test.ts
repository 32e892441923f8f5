import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guestNamespace, runCopyName, runName, workerHostName } from '../../../src/api/v1alpha1/child-names.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const identity = fc.record({
  jobUid: fc.oneof(fc.uuid(), fc.string({ minLength: 1, maxLength: 64 })),
  fence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});

describe('runName', () => {
  it('is the same for the same run on every machine', () => {
    expect(runName({ jobUid: '0d1c5c2e-7c0a-4d2b-9c39-5b8f4a6f5f10', fence: 7 })).toBe(
      runName({ jobUid: '0d1c5c2e-7c0a-4d2b-9c39-5b8f4a6f5f10', fence: 7 }),
    );
    expect(runName({ jobUid: 'a', fence: 1 })).toMatch(/^run-[a-z2-7]{16}-1$/);
  });

  it('is a DNS label that leaves room for the host name of worker 4095', () => {
    fc.assert(
      fc.property(identity, (run) => {
        expect(runName(run)).toMatch(DNS_LABEL);
        expect(`${runName(run)}-4095`.length).toBeLessThanOrEqual(63);
        expect(workerHostName(run, 4095).split('.')).toEqual([`${runName(run)}-4095`, runName(run)]);
      }),
    );
  });

  it('differs between runs', () => {
    fc.assert(
      fc.property(identity, identity, (a, b) => {
        fc.pre(a.jobUid !== b.jobUid || a.fence !== b.fence);
        expect(runName(a)).not.toBe(runName(b));
      }),
    );
  });

  it('differs between 20,000 jobs', () => {
    const names = new Set(Array.from({ length: 20_000 }, (_, index) => runName({ jobUid: `job-${index}`, fence: 1 })));
    expect(names.size).toBe(20_000);
  });
});

describe('runCopyName', () => {
  it('differs by kind, name and run, and is a DNS name', () => {
    const run = { jobUid: 'u', fence: 2 };
    const names = [
      runCopyName(run, 'Secret', 'a'),
      runCopyName(run, 'ConfigMap', 'a'),
      runCopyName(run, 'Secret', 'b'),
      runCopyName({ ...run, fence: 3 }, 'Secret', 'a'),
    ];
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(DNS_LABEL);
  });
});

describe('guestNamespace', () => {
  const tenant = fc.oneof(
    fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
    fc.string({ minLength: 1, maxLength: 63 }),
  );

  it('reads plainly for a short tenant', () => {
    expect(guestNamespace('team-a')).toBe('guest-team-a');
  });

  it('is a DNS label for every tenant', () => {
    fc.assert(
      fc.property(tenant, (name) => {
        expect(guestNamespace(name)).toMatch(DNS_LABEL);
        expect(guestNamespace(name).length).toBeLessThanOrEqual(63);
      }),
    );
  });

  it('never puts two tenants into one namespace', () => {
    fc.assert(
      fc.property(tenant, tenant, (a, b) => {
        fc.pre(a !== b);
        expect(guestNamespace(a)).not.toBe(guestNamespace(b));
      }),
    );
  });

  it('cannot be aimed at by naming a tenant like the hashed form of another', () => {
    const long = 'a'.repeat(63);
    const target = guestNamespace(long);
    for (const prefix of ['guest-', 'guests-', 'guest']) {
      if (target.startsWith(prefix)) expect(guestNamespace(target.slice(prefix.length))).not.toBe(target);
    }
  });
});
