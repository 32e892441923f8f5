/**
 * What a pod holds on its node: boards, an address with a name, folders; and how a container is launched with them.
 *
 * Invariants: all or nothing at the take; given back once, when the worker says that nothing runs any more. Leaves out when
 * to take and release (pod-worker.ts).
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../platform/clock/clock.ts';
import { uidOf } from '../objects/pod.ts';
import type { Container, Pod } from '../objects/pod.ts';
import { hostnameOf, planLaunch } from './container-launch.ts';
import type { LaunchPlan } from './container-launch.ts';
import { ContainerLog } from './container-log.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import type { DeviceManager } from './device-manager.ts';
import type { PodPlace } from './field-path.ts';
import type { NameDirectory } from './name-directory.ts';
import type { PodAddresses } from './pod-addresses.ts';
import type { PodLink } from './pod-link.ts';
import { MountProblem, writeVolumes } from './volumes.ts';
import type { VolumeFolders } from './volumes.ts';

export interface PodHoldingsDeps {
  readonly clock: Clock;
  readonly runtime: ContainerRuntime;
  readonly devices: DeviceManager;
  readonly addresses: PodAddresses;
  readonly names: NameDirectory;
  readonly link: PodLink;
  readonly nodeName: string;
  readonly hostIp: string;
  readonly allocatable: Readonly<Record<string, string | number>>;
  /** Folder under which each pod gets its own. */
  readonly podsDir: string;
  /** The member's disk, which outlives pods. */
  readonly diskDir: string;
  /** Directories of programs for containers, colon-separated. */
  readonly path: string;
}

export interface Refused {
  readonly reason: string;
  readonly message: string;
}

export class PodHoldings {
  private readonly deps: PodHoldingsDeps;
  private readonly pod: () => Pod;
  private readonly uid: string;
  private readonly podDir: string;
  private address: string | undefined;
  private held = false;
  private boards: ReadonlyMap<string, readonly string[]> = new Map();
  private folders: VolumeFolders = new Map();

  /** `pod` gives the newest version of the object. */
  constructor(pod: () => Pod, deps: PodHoldingsDeps) {
    this.pod = pod;
    this.deps = deps;
    this.uid = uidOf(pod());
    this.podDir = join(deps.podsDir, this.uid);
  }

  /** Undefined before the take; kept after the release, as the status keeps it. */
  get podIp(): string | undefined {
    return this.address;
  }

  /** Boards and an address, or why not. */
  take(): Refused | undefined {
    const grant = this.deps.devices.grant(this.pod());
    if (grant.kind === 'Refused') {
      const message =
        'Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. ' +
        `Requested: ${grant.requested}, Available: ${grant.available}, which is unexpected`;
      return { reason: 'UnexpectedAdmissionError', message };
    }
    this.boards = grant.byContainer;
    this.address = this.deps.addresses.take();
    this.held = true;
    return undefined;
  }

  release(): void {
    if (!this.held || this.address === undefined) return;
    this.held = false;
    this.deps.devices.release(this.uid);
    this.deps.names.remove(this.pod().metadata.namespace ?? '', this.uid);
    this.deps.addresses.release(this.address);
  }

  /** Lets others find the pod by name. */
  announce(ready: boolean): void {
    if (!this.held || this.address === undefined) return;
    const { metadata, spec } = this.pod();
    this.deps.names.put({
      uid: this.uid,
      namespace: metadata.namespace ?? '',
      hostname: hostnameOf(this.pod()),
      subdomain: spec.subdomain ?? '',
      labels: metadata.labels ?? {},
      ready,
      podIp: this.address,
    });
  }

  /** Writes the volumes once. Undefined when done; else the sentence that says what is missing. */
  async writeVolumes(halt: AbortSignal): Promise<string | undefined> {
    const { link, runtime } = this.deps;
    const pod = this.pod();
    if (!runtime.usesDisk || (pod.spec.volumes ?? []).length === 0) return undefined;
    try {
      await link.whenConnected(halt);
      this.folders = await writeVolumes({
        pod,
        podDir: this.podDir,
        diskDir: this.deps.diskDir,
        config: await link.config(pod),
        place: this.place,
        allocatable: this.deps.allocatable,
        serviceAccountToken: (audience, seconds) => link.serviceAccountToken(pod, audience, seconds),
      });
      return undefined;
    } catch (error) {
      return error instanceof MountProblem ? error.message : `MountVolume.SetUp failed: ${String(error)}`;
    }
  }

  /** How to launch `container` now. */
  async planFor(container: Container, signal: AbortSignal): Promise<LaunchPlan> {
    const { link, names, runtime } = this.deps;
    const pod = this.pod();
    const needsConfig = refersToConfig(container);
    if (needsConfig) await link.whenConnected(signal);
    return planLaunch({
      pod,
      container,
      place: this.place,
      config: needsConfig ? await link.config(pod) : { configMaps: new Map(), secrets: new Map() },
      allocatable: this.deps.allocatable,
      boards: this.boards.get(container.name) ?? [],
      disk: runtime.usesDisk ? { podDir: this.podDir, memberDir: this.deps.diskDir, folders: this.folders } : undefined,
      path: this.deps.path,
      resolveName: (text) => names.resolve(text, pod.metadata.namespace ?? '', signal),
    });
  }

  /** A log for an attempt of `container`; undefined where the runtime keeps none. */
  openLog(container: string, attempt: number): ContainerLog | undefined {
    if (!this.deps.runtime.usesDisk) return undefined;
    return new ContainerLog({
      path: join(this.podDir, 'logs', container, `${attempt}.log`),
      nowMs: () => this.deps.clock.nowMs(),
    });
  }

  /** Removes every file of the pod. */
  async removeFiles(): Promise<void> {
    if (this.deps.runtime.usesDisk) await rm(this.podDir, { recursive: true, force: true, maxRetries: 3 });
  }

  private get place(): PodPlace {
    return { nodeName: this.deps.nodeName, hostIp: this.deps.hostIp, podIp: this.address ?? '' };
  }
}

function refersToConfig(container: Container): boolean {
  if (container.envFrom !== undefined) return true;
  return (container.env ?? []).some(
    ({ valueFrom }) => valueFrom?.secretKeyRef !== undefined || valueFrom?.configMapKeyRef !== undefined,
  );
}
