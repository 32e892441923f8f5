/**
 * What exists once per tenant on a member, before its first guest: namespace, identity without rights, network walls; and
 * once per cluster the priority class. Pure.
 *
 * Invariants: nothing comes in from outside; what goes out is DNS and what the owner opened, never the private, shared and
 * link-local ranges unless it opened those, and never the ranges that the agent was told to protect. The priority class is
 * below every class an owner can have made by accident, and preempts nobody.
 */
import { guestNamespace } from '../../../api/v1alpha1/child-names.ts';
import { GUEST_LABEL_VALUE, LABELS, MANAGED_BY_VALUE } from '../../../api/v1alpha1/labels.ts';
import type { TenantName } from '../../../core/model/ids.ts';
import type { GuestRules } from '../../lending/lending-reader.ts';
import { GUEST_PRIORITY_CLASS, GUEST_SERVICE_ACCOUNT } from '../template/build-pod.ts';
import type { MadeObject } from './run-objects.ts';

export const GUEST_PRIORITY = -2_000_000_000;
export const GUEST_CLUSTER_ROLE = 'lumbung-guest';

/** RFC 1918, shared address space (RFC 6598), link-local with the metadata services of clouds. */
const PRIVATE_V4 = ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'];
const PRIVATE_V6 = ['fc00::/7', 'fe80::/10'];

export function priorityClassObject(): MadeObject {
  return {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: GUEST_PRIORITY_CLASS, labels: { [LABELS.managedBy]: MANAGED_BY_VALUE } },
    value: GUEST_PRIORITY,
    globalDefault: false,
    preemptionPolicy: 'Never',
    description: 'Pods that this cluster runs for others. They make way for every pod of the owner and preempt none.',
  };
}

function labelsOf(tenant: TenantName): Readonly<Record<string, string>> {
  return { [LABELS.guest]: GUEST_LABEL_VALUE, [LABELS.tenant]: tenant, [LABELS.managedBy]: MANAGED_BY_VALUE };
}

export function namespaceObject(tenant: TenantName, rules: GuestRules): MadeObject {
  const level = rules.podSecurity;
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: guestNamespace(tenant),
      labels: {
        ...labelsOf(tenant),
        'pod-security.kubernetes.io/enforce': level,
        'pod-security.kubernetes.io/warn': level,
      },
    },
  };
}

export function serviceAccountObject(tenant: TenantName): MadeObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: GUEST_SERVICE_ACCOUNT, namespace: guestNamespace(tenant), labels: labelsOf(tenant) },
    automountServiceAccountToken: false,
  };
}

/** Lets the agent act in the namespace that it made, and nowhere else. */
export function roleBindingObject(
  tenant: TenantName,
  agent: { readonly namespace: string; readonly serviceAccountName: string },
): MadeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: GUEST_CLUSTER_ROLE, namespace: guestNamespace(tenant), labels: labelsOf(tenant) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: GUEST_CLUSTER_ROLE },
    subjects: [{ kind: 'ServiceAccount', name: agent.serviceAccountName, namespace: agent.namespace }],
  };
}

export function wallsObject(tenant: TenantName, rules: GuestRules, protectedCidrs: readonly string[]): MadeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'lumbung-walls', namespace: guestNamespace(tenant), labels: labelsOf(tenant) },
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [],
      egress: [dnsRule(), { to: [...openRanges(rules, protectedCidrs), ...ownerRanges(rules, protectedCidrs)] }],
    },
  };
}

/** The cluster's own DNS, by its well-known labels, and node-local caches at their usual address. */
function dnsRule(): Readonly<Record<string, unknown>> {
  const ports = ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 }));
  return {
    to: [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      },
      { ipBlock: { cidr: '169.254.20.10/32' } },
    ],
    ports,
  };
}

function openRanges(rules: GuestRules, protectedCidrs: readonly string[]): readonly unknown[] {
  return ['0.0.0.0/0', '::/0'].map((cidr) => {
    const v6 = cidr.includes(':');
    const closed = rules.allowPrivateRanges ? [] : v6 ? PRIVATE_V6 : PRIVATE_V4;
    // Said also when empty: what stands there with exceptions must not pass for a wall without.
    const except = [...new Set([...closed, ...protectedCidrs.filter((range) => range.includes(':') === v6)])];
    return { ipBlock: { cidr, except } };
  });
}

/** What the owner opened. Protected ranges inside one of them are cut out where they are the same range or below it. */
function ownerRanges(rules: GuestRules, protectedCidrs: readonly string[]): readonly unknown[] {
  return rules.allowedEgressCidrs.flatMap((cidr) => {
    if (protectedCidrs.some((range) => contains(range, cidr))) return [];
    return [{ ipBlock: { cidr, except: protectedCidrs.filter((range) => contains(cidr, range)) } }];
  });
}

/** Does range `outer` contain range `inner`? IPv4 by arithmetic; other forms by their text. */
function contains(outer: string, inner: string): boolean {
  const [a, b] = [ipv4Range(outer), ipv4Range(inner)];
  if (a === undefined || b === undefined) return outer === inner;
  return a.start <= b.start && a.end >= b.end;
}

function ipv4Range(cidr: string): { readonly start: number; readonly end: number } | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (match === null) return undefined;
  const [, ...parts] = match.map(Number);
  const [first = 0, second = 0, third = 0, fourth = 0, bits = 0] = parts;
  const size = 2 ** (32 - Math.min(32, bits));
  const address = ((first * 256 + second) * 256 + third) * 256 + fourth;
  const start = Math.floor(address / size) * size;
  return { start, end: start + size - 1 };
}
