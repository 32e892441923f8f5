import { describe, expect, it } from 'vitest';
import { orderFromJson, orderToJson, sameTerms, termsToJson } from '../../../src/agent/runs/order-json.ts';
import { anOrder } from '../../support/agent-builders.ts';

const order = anOrder({ workers: 2, jurisdictions: ['ID'] });
const through = (json: unknown): ReturnType<typeof orderFromJson> => orderFromJson(JSON.parse(JSON.stringify(json)));

describe('an order as JSON', () => {
  it('comes back as it was, but for its attachments', () => {
    const sealed = { kind: 'Secret', name: 's', type: '', sealed: new Uint8Array([1, 2, 3]) } as const;
    expect(through(orderToJson({ ...order, attachments: [sealed] }))).toEqual({ ok: true, value: order });
  });

  it('comes back from a Job without its template', () => {
    expect(through(termsToJson(order))).toEqual({ ok: true, value: { ...order, template: {} } });
  });

  it.each([
    ['order.id.fence', { id: { jobUid: 'a', fence: 0 } }],
    ['order.workers', { workers: 'two' }],
    ['order.onPartition', { onPartition: 'Whatever' }],
    ['order.lease.durationMs', { lease: { ...order.lease, durationMs: -1 } }],
    ['order.nodes.0.node', { nodes: [{ workers: 1 }] }],
  ])('is refused with %s when somebody has edited it', (field, change) => {
    const read = through({ ...orderToJson(order), ...change });
    expect(read.ok ? '' : read.error).toMatch(new RegExp(`^${field.replaceAll('.', '[.]')}`));
  });

  it('has the same terms for the same fence, whatever the hub says about nodes and priority', () => {
    expect(sameTerms(order, { ...order, priority: 7, nodes: [] })).toBe(true);
    for (const change of [
      { workers: 3 },
      { maxRuntimeMs: 1 },
      { templateHash: 'x' },
      { onPartition: 'Fence' },
    ] as const) {
      expect(sameTerms(order, { ...order, ...change })).toBe(false);
    }
  });
});
