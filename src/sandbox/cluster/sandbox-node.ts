/**
 * One node of a sandbox cluster: its kubelet, its line to the API server, its heartbeat.
 *
 * Invariants: a machine that is removed takes its processes with it; what the Node object says of readiness is written by
 * the cluster, not by the node, since a node that is cut off cannot speak.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { EventRecorder } from '../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { ApiLink } from './kubelet/api-link.ts';
import type { KeeperTiming } from './kubelet/container-keeper.ts';
import type { ContainerRuntime } from './kubelet/container-runtime.ts';
import { DeviceManager } from './kubelet/device-manager.ts';
import { Kubelet } from './kubelet/kubelet.ts';
import type { NameDirectory } from './kubelet/name-directory.ts';
import type { PodAddresses } from './kubelet/pod-addresses.ts';
import { startHeartbeat } from './node-heartbeat.ts';
import { gpuUuids, nodeObject } from './node-shape.ts';
import type { SandboxNodeSpec } from './node-shape.ts';
import type { Node } from './objects/node.ts';
import type { Pod } from './objects/pod.ts';

export interface SandboxNodeDeps {
  readonly clusterName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Calls as `system:node:<name>`. */
  readonly client: KubeClient;
  readonly runtime: ContainerRuntime;
  readonly addresses: PodAddresses;
  readonly names: NameDirectory;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly verboseEvents: boolean;
  readonly timing: KeeperTiming;
  readonly heartbeatMs: number;
  readonly podsDir: string;
  readonly diskDir: string;
  readonly path: string;
  readonly bound: () => Iterable<Pod>;
}

export interface SandboxNode {
  readonly spec: SandboxNodeSpec;
  readonly address: string;
  readonly kubelet: Kubelet;
  /** Begins to renew the node's lease. */
  startBeating(): void;
  stop(): Promise<void>;
}

export function createSandboxNode(spec: SandboxNodeSpec, node: Node, deps: SandboxNodeDeps): SandboxNode {
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
  const kubelet = new Kubelet({
    clock: deps.clock,
    random: deps.random,
    logger: deps.logger.child({ node: spec.name }),
    runtime: deps.runtime,
    addresses: deps.addresses,
    names: deps.names,
    timing: deps.timing,
    podsDir: deps.podsDir,
    diskDir: deps.diskDir,
    path: deps.path,
    bound: deps.bound,
    link: new ApiLink({ client: deps.client, events: deps.events, verboseEvents: deps.verboseEvents }),
    devices: new DeviceManager(gpuUuids(deps.clusterName, spec)),
    nodeName: spec.name,
    hostIp: address,
    allocatable: node.status?.allocatable ?? {},
  });
  let stopBeating: (() => void) | undefined;
  return {
    spec,
    address,
    kubelet,
    startBeating: () => {
      stopBeating = startHeartbeat({
        client: deps.client,
        clock: deps.clock,
        logger: deps.logger,
        nodeName: spec.name,
        periodMs: deps.heartbeatMs,
        connected: () => kubelet.connected,
      });
    },
    stop: async () => {
      stopBeating?.();
      await kubelet.stop();
      await deps.client.close();
    },
  };
}

/** The Node object of a spec at `address`, now. */
export function registeredNode(
  spec: SandboxNodeSpec,
  facts: { readonly clusterName: string; readonly address: string; readonly now: string },
): Node {
  return nodeObject(spec, { ...facts, operatingSystem: 'linux', architecture: 'amd64' });
}
