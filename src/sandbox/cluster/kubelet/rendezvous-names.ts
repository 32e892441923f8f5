/**
 * Stands in for cluster DNS: a variable whose whole value is the DNS name of a headless Service's pod gets that pod's IP.
 *
 * Why: containers are plain processes of this machine, so nothing answers for `job-0.job.ns.svc`, yet workers of a gang must
 * find each other by such names, and each pod has a loopback address of its own, so that equal ports never clash.
 * Invariants: only names of Services that exist, are headless and select the pod are replaced; until that pod has an address
 * (and is ready, unless the Service publishes others too) the container waits, as a resolver would be asked again.
 * Leaves out names inside longer texts and Services with cluster IPs.
 */
import type { KubeObject } from '../../../platform/kube/object.ts';

export interface PodDnsName {
  readonly hostname: string;
  readonly service: string;
  readonly namespace: string;
}

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const form = new RegExp(`^(${label})\\.(${label})(?:\\.(${label})(?:\\.svc(?:\\.cluster\\.local)?)?)?\\.?$`);

/** Reads `<hostname>.<service>[.<namespace>[.svc[.cluster.local]]]`; undefined when the text has another form. */
export function parsePodDnsName(text: string, ownNamespace: string): PodDnsName | undefined {
  if (text.length > 253) return undefined;
  const match = form.exec(text);
  if (match === null || isIpAddress(text)) return undefined;
  return { hostname: match[1] ?? '', service: match[2] ?? '', namespace: match[3] ?? ownNamespace };
}

export interface Service extends KubeObject {
  readonly spec?: {
    readonly clusterIP?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly publishNotReadyAddresses?: boolean;
  };
}

/** A pod as far as names go. */
export interface NamedPod {
  readonly hostname: string;
  readonly subdomain: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ready: boolean;
  readonly podIp: string;
}

export type NameAnswer =
  /** The text is no name that this cluster serves: leave it alone. */
  { readonly kind: 'NotOurs' } | { readonly kind: 'NotYet' } | { readonly kind: 'Address'; readonly ip: string };

/** What cluster DNS would say. `service` is the one that the name speaks of, `pods` those of its namespace with an address. */
export function answerName(name: PodDnsName, service: Service | undefined, pods: Iterable<NamedPod>): NameAnswer {
  if (service === undefined || service.spec?.clusterIP !== 'None') return { kind: 'NotOurs' };
  const selector = Object.entries(service.spec.selector ?? {});
  for (const pod of pods) {
    if (pod.hostname !== name.hostname || pod.subdomain !== name.service) continue;
    if (selector.length === 0 || !selector.every(([key, value]) => pod.labels[key] === value)) continue;
    if (pod.ready || service.spec.publishNotReadyAddresses === true) return { kind: 'Address', ip: pod.podIp };
  }
  return { kind: 'NotYet' };
}

function isIpAddress(text: string): boolean {
  return /^\d+(\.\d+){1,3}$/.test(text);
}
