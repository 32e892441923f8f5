import { describe, expect, it } from 'vitest';
import { withNodeTerms } from '../../../../src/agent/runs/guest/node-terms.ts';
import { nodeName } from '../../../../src/core/model/ids.ts';

const [a, b, c] = [nodeName('a'), nodeName('b'), nodeName('c')];
const named = (name: string) => ({ key: 'metadata.name', operator: 'In', values: [name] });
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

function required(affinity: unknown): unknown {
  const { nodeAffinity } = affinity as {
    readonly nodeAffinity?: Readonly<Record<string, { nodeSelectorTerms: unknown }>>;
  };
  return nodeAffinity?.[REQUIRED]?.nodeSelectorTerms;
}

describe('node terms', () => {
  it('require one node each and prefer the chosen', () => {
    const affinity = withNodeTerms(undefined, { chosen: [a], eligible: [a, b] });
    expect(required(affinity)).toEqual([{ matchFields: [named('a')] }, { matchFields: [named('b')] }]);
    expect(affinity).toMatchObject({
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchFields: [named('a')] } }],
      },
    });
  });

  it('are ANDed into each of the terms that the tenant wrote', () => {
    const zone = { matchExpressions: [{ key: 'zone', operator: 'In', values: ['z'] }] };
    const arch = { matchExpressions: [{ key: 'arch', operator: 'Exists' }], matchFields: [named('c')] };
    const affinity = withNodeTerms(
      { nodeAffinity: { [REQUIRED]: { nodeSelectorTerms: [zone, arch] } } },
      { chosen: [a, b], eligible: [] },
    );
    expect(required(affinity)).toEqual([
      { ...zone, matchFields: [named('a')] },
      { ...arch, matchFields: [named('c'), named('a')] },
      { ...zone, matchFields: [named('b')] },
      { ...arch, matchFields: [named('c'), named('b')] },
    ]);
  });

  it('keep an empty term, which matches no node, from matching one', () => {
    const affinity = withNodeTerms(
      { nodeAffinity: { [REQUIRED]: { nodeSelectorTerms: [{}] } } },
      { chosen: [c], eligible: [] },
    );
    expect(required(affinity)).toMatchObject([
      { matchExpressions: [{ operator: 'In', values: ['no.node.has.this.name'] }] },
    ]);
  });

  it('name only the chosen nodes where all would be too many', () => {
    const eligible = Array.from({ length: 2000 }, (_unused, i) => nodeName(`n${i}`));
    expect(required(withNodeTerms({}, { chosen: [a], eligible }))).toEqual([{ matchFields: [named('a')] }]);
  });

  it('keep what the tenant prefers', () => {
    const preferred = { weight: 1, preference: { matchExpressions: [] } };
    const affinity = withNodeTerms(
      { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [preferred] } },
      { chosen: [a], eligible: [] },
    );
    expect(JSON.stringify(affinity)).toContain(JSON.stringify(preferred));
  });
});
