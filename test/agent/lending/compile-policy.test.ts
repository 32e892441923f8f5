import { describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import { compilePolicy } from '../../../src/agent/lending/compile-policy.ts';
import { aPolicy } from '../../support/agent-builders.ts';

describe('compiling a LendingPolicy', () => {
  it('turns every amount into base units and fills in defaults', () => {
    const compiled = compilePolicy(
      aPolicy(
        {
          reserve: { gpus: 2, cpu: '1500m', memory: '1.5Gi' },
          cap: { percent: 50 },
          idleBeforeLend: '10m',
          reclaimGrace: '1m30s',
        },
        { generation: 7 },
      ),
    );
    expect(compiled).toMatchObject({
      ok: true,
      value: {
        generation: 7,
        paused: false,
        reserveGpus: 2,
        reservePerNode: { cpu: 1500, memory: 1_610_612_736 },
        cap: { kind: 'Percent', percent: 50 },
        idleBeforeLendMs: 600_000,
        reclaimGraceMs: 90_000,
        guestRules: {
          maxGraceMs: 90_000,
          podSecurity: 'restricted',
          finishedRetentionMs: 3_600_000,
          logsAllowed: true,
        },
      },
    });
  });

  it('keeps an absent list apart from an empty one', () => {
    expect(compilePolicy(aPolicy({}))).toMatchObject({ ok: true, value: { dataJurisdictions: [] } });
    const open = compilePolicy(aPolicy({}));
    expect(open.ok && 'tenants' in open.value).toBe(false);
    expect(compilePolicy(aPolicy({ tenants: [], images: { allow: [] } }))).toMatchObject({
      ok: true,
      value: { tenants: [], imagePatterns: [] },
    });
  });

  it('names every problem at once, those that only the agent can see included', () => {
    const compiled = compilePolicy(
      aPolicy({
        windows: [{ start: '22:00', end: '06:00', timeZone: 'Mars/Olympus' }],
        egress: { allow: ['10.0.0.0/8', '300.0.0.0/8'] },
      }),
    );
    expect(compiled.ok).toBe(false);
    if (compiled.ok) return;
    expect(compiled.error.map((problem) => problem.path).sort()).toEqual([
      'spec.egress.allow[1]',
      'spec.windows[0].timeZone',
    ]);
    expect(compiled.error[0]?.message).toMatch(/Mars\/Olympus|300/);
  });

  it.each([
    [{ reclaimGrace: 'soon' }, 'spec.reclaimGrace'],
    [{ cap: { gpus: 1, percent: 2 } }, 'spec.cap'],
    [{ windows: [] }, 'spec.windows'],
    [{ paused: 'yes' }, 'spec.paused'],
  ])('refuses %j', (spec, path) => {
    const compiled = compilePolicy(aPolicy(spec));
    expect(compiled).toMatchObject({ ok: false, error: [{ path: textWith(path) }] });
  });
});
