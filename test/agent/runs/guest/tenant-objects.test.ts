import { describe, expect, it } from 'vitest';
import * as objects from '../../../../src/agent/runs/guest/tenant-objects.ts';
import { tenantName } from '../../../../src/core/model/ids.ts';
import { RULES } from '../../../support/keeper-rig.ts';

const tenant = tenantName('team-a');
interface Block {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}
function blocks(rules = RULES, protectedCidrs: readonly string[] = []): readonly NonNullable<Block['ipBlock']>[] {
  const spec = objects.wallsObject(tenant, rules, protectedCidrs)['spec'] as {
    readonly egress: readonly { readonly to: readonly Block[] }[];
  };
  return (spec.egress[1]?.to ?? []).flatMap((one) => one.ipBlock ?? []);
}

describe('what a tenant stands on', () => {
  it('is a namespace at the level of Pod Security that the owner allows, and an identity without a token', () => {
    expect(objects.namespaceObject(tenant, { ...RULES, podSecurity: 'baseline' }).metadata).toMatchObject({
      name: 'guest-team-a',
      labels: { 'lumbung.dev/tenant': 'team-a', 'pod-security.kubernetes.io/enforce': 'baseline' },
    });
    expect(objects.serviceAccountObject(tenant)).toMatchObject({ automountServiceAccountToken: false });
    expect(objects.priorityClassObject()).toMatchObject({
      value: -2_000_000_000,
      globalDefault: false,
      preemptionPolicy: 'Never',
    });
  });

  it('binds the agent to one role, in this namespace', () => {
    expect(
      objects.roleBindingObject(tenant, { namespace: 'lumbung-system', serviceAccountName: 'agent' }),
    ).toMatchObject({
      roleRef: { kind: 'ClusterRole', name: 'lumbung-guest' },
      subjects: [{ kind: 'ServiceAccount', name: 'agent', namespace: 'lumbung-system' }],
    });
  });

  it('lets nothing in and nothing out to private, shared and link-local ranges', () => {
    expect(objects.wallsObject(tenant, RULES, [])['spec']).toMatchObject({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [],
    });
    expect(blocks()).toEqual([
      {
        cidr: '0.0.0.0/0',
        except: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
      },
      { cidr: '::/0', except: ['fc00::/7', 'fe80::/10'] },
    ]);
  });

  it('opens what the owner opens, but never a protected range', () => {
    const opened = blocks({ ...RULES, allowedEgressCidrs: ['10.20.0.0/16', '10.96.0.1/32', '10.0.0.0/8'] }, [
      '10.96.0.1/32',
      '203.0.113.7/32',
    ]);
    expect(opened.slice(2)).toEqual([
      { cidr: '10.20.0.0/16', except: [] },
      { cidr: '10.0.0.0/8', except: ['10.96.0.1/32'] },
    ]);
    expect(opened[0]?.except).toContain('203.0.113.7/32');
    expect(blocks({ ...RULES, allowPrivateRanges: true }, ['10.96.0.1/32'])).toEqual([
      { cidr: '0.0.0.0/0', except: ['10.96.0.1/32'] },
      { cidr: '::/0', except: [] },
    ]);
  });
});
