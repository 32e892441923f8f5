import { afterEach, describe, expect, it } from 'vitest';
import { guestNamespace } from '../../../src/api/v1alpha1/child-names.ts';
import { GUEST_RUN_RESOURCE } from '../../../src/api/v1alpha1/guest-run.ts';
import { jobs, pods } from '../../../src/platform/kube/builtin-resources.ts';
import { anOrder } from '../../support/agent-builders.ts';
import { KeeperRig } from '../../support/keeper-rig.ts';

const rigs: KeeperRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.crash();
});

const cancelled = (order: ReturnType<typeof anOrder>) =>
  ({ cancels: [{ id: order.id, cause: 'Suspended', message: 'spec.suspend is true' }] }) as const;

async function restarted(change: (rig: KeeperRig, order: ReturnType<typeof anOrder>) => void) {
  const rig = await new KeeperRig().start();
  rigs.push(rig);
  const order = anOrder();
  await rig.running(order);
  await rig.crash();
  change(rig, order);
  const next = await rig.successor();
  rigs.push(next);
  return { next, order };
}

describe('a cancel of a run that this process does not know', () => {
  it('is answered with a closed fence when nothing of the run is here', async () => {
    const rig = await new KeeperRig().start();
    rigs.push(rig);
    const order = anOrder();
    rig.desire(cancelled(order));
    await rig.until(() => rig.phase(order) === 'Ended');
    expect(rig.report(order)?.end).toMatchObject({ outcome: 'Refused', everStarted: false });
    rig.desire({ runs: [order] });
    await rig.pass(5000);
    expect(rig.job(order)).toBeUndefined();
  });

  it('is not answered while a guest of it lives here whose order cannot be read', async () => {
    const { next, order } = await restarted((rig, run) => {
      const record = rig.record(run)!;
      const spec = { ...(record['spec'] as object), order: { of: 'a newer version' } };
      rig.kube.update(GUEST_RUN_RESOURCE, record, (copy) => {
        copy['spec'] = spec;
      });
    });
    expect(next.report(order)).toBeUndefined();
    next.desire(cancelled(order));
    await next.pass(30_000);
    expect(next.podsOf(order)).toHaveLength(1);
    expect(next.keeper.holds(order.id)).toBe(true);
    expect(next.report(order)).toBeUndefined();
  });

  it('is answered once pods that belonged to nothing are gone', async () => {
    const { next, order } = await restarted((rig, run) => {
      for (const pod of rig.podsOf(run)) {
        rig.kube.update(pods, pod, (copy) => {
          copy['metadata'] = { ...(copy['metadata'] as object), ownerReferences: [] };
        });
      }
      rig.kube.remove(GUEST_RUN_RESOURCE, rig.record(run)!);
      for (const job of rig.kube.all(jobs)) rig.kube.remove(jobs, job);
    });
    next.desire(cancelled(order));
    await next.pass(1000);
    const [pod] = next.podsOf(order);
    expect(pod?.metadata.namespace).toBe(guestNamespace(order.tenant));
    expect(next.report(order)).toBeUndefined();
    next.kube.remove(pods, pod!);
    await next.pass(100);
    expect(next.keeper.holds(order.id)).toBe(false);
    await next.until(() => next.phase(order) === 'Ended', 120_000);
  });
});
