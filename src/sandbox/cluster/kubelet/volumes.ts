/**
 * Writes the volumes of a pod as folders under the pod's own folder, and gives each container a root with its mounts in it.
 *
 * Invariants: nothing is written outside the pod's folder but under the member's own disk (hostPath); a key or path that
 * would climb out is refused; a missing reference that is not optional is a problem that names it. Contents are written once,
 * when the pod starts. Leaves out claims and other kinds of volumes: they are refused by name.
 */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { Container, DownwardItem, KeyToPath, Pod, ProjectedSource, Volume } from '../objects/pod.ts';
import type { ConfigObjects } from './environment.ts';
import { fieldValue, resourceFieldValue } from './field-path.ts';
import type { PodPlace } from './field-path.ts';
import type { MountPoint } from './mount-rewrite.ts';

/** What keeps a pod in ContainerCreating, said as the event FailedMount says it. */
export class MountProblem extends Error {
  readonly kind = 'MountProblem';
}

export interface VolumeInput {
  readonly pod: Pod;
  /** The pod's own folder. */
  readonly podDir: string;
  /** The member's disk, on which hostPath volumes lie. */
  readonly diskDir: string;
  readonly config: ConfigObjects;
  readonly place: PodPlace;
  readonly allocatable: Readonly<Record<string, string | number>>;
  /** Token of the pod's service account. */
  readonly serviceAccountToken: (audience: string | undefined, expirationSeconds: number) => Promise<string>;
}

/** A volume's folder by its name. */
export type VolumeFolders = ReadonlyMap<string, string>;

/** Throws MountProblem. */
export async function writeVolumes(input: VolumeInput): Promise<VolumeFolders> {
  const folders = new Map<string, string>();
  for (const volume of input.pod.spec.volumes ?? []) {
    const folder = join(input.podDir, 'volumes', fileName(volume.name));
    folders.set(volume.name, await writeVolume(volume, folder, input));
  }
  return folders;
}

async function writeVolume(volume: Volume, folder: string, input: VolumeInput): Promise<string> {
  if (volume.hostPath !== undefined) {
    const onDisk = join(input.diskDir, inside(volume.hostPath.path, volume.name));
    await mkdir(onDisk, { recursive: true });
    return onDisk;
  }
  await mkdir(folder, { recursive: true });
  if (volume.emptyDir !== undefined) return folder;
  const files = await filesOf(volume, input);
  for (const file of files) {
    const path = join(folder, inside(file.path, volume.name));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content, { mode: file.mode });
  }
  return folder;
}

interface VolumeFile {
  readonly path: string;
  readonly content: Uint8Array | string;
  readonly mode: number;
}

async function filesOf(volume: Volume, input: VolumeInput): Promise<readonly VolumeFile[]> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) return keyedFiles('configmap', configMap, configMap.defaultMode, input);
  if (secret !== undefined) {
    return keyedFiles('secret', { ...secret, name: secret.secretName ?? '' }, secret.defaultMode, input);
  }
  if (downwardAPI !== undefined) return downwardFiles(downwardAPI.items, downwardAPI.defaultMode, input);
  if (projected === undefined) {
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'none';
    throw new MountProblem(`volume ${JSON.stringify(volume.name)}: the sandbox has no volumes of kind ${kind}`);
  }
  const out: VolumeFile[] = [];
  for (const source of projected.sources ?? [])
    out.push(...(await projectedFiles(source, projected.defaultMode, input)));
  return out;
}

async function projectedFiles(
  source: ProjectedSource,
  defaultMode: number | undefined,
  input: VolumeInput,
): Promise<readonly VolumeFile[]> {
  if (source.configMap !== undefined) return keyedFiles('configmap', source.configMap, defaultMode, input);
  if (source.secret !== undefined) return keyedFiles('secret', source.secret, defaultMode, input);
  if (source.downwardAPI !== undefined) return downwardFiles(source.downwardAPI.items, defaultMode, input);
  if (source.serviceAccountToken === undefined) {
    throw new MountProblem(`projected volume: the sandbox has no source ${Object.keys(source).join(', ') || 'none'}`);
  }
  const { path, audience, expirationSeconds } = source.serviceAccountToken;
  return [{ path, content: await input.serviceAccountToken(audience, expirationSeconds ?? 3600), mode: 0o600 }];
}

function keyedFiles(
  kind: 'configmap' | 'secret',
  ref: { readonly name?: string; readonly items?: readonly KeyToPath[]; readonly optional?: boolean },
  defaultMode: number | undefined,
  input: VolumeInput,
): readonly VolumeFile[] {
  const name = ref.name ?? '';
  const data = (kind === 'secret' ? input.config.secrets : input.config.configMaps).get(name);
  const mode = defaultMode ?? 0o644;
  if (data === undefined) {
    if (ref.optional === true) return [];
    throw new MountProblem(`${kind} ${JSON.stringify(name)} not found`);
  }
  if (ref.items === undefined) return [...data].map(([path, content]) => ({ path, content, mode }));
  const out: VolumeFile[] = [];
  for (const item of ref.items) {
    const content = data.get(item.key);
    if (content !== undefined) out.push({ path: item.path, content, mode: item.mode ?? mode });
    else if (ref.optional !== true) {
      throw new MountProblem(`${kind} ${JSON.stringify(name)} references non-existent config key: ${item.key}`);
    }
  }
  return out;
}

function downwardFiles(
  items: readonly DownwardItem[] | undefined,
  defaultMode: number | undefined,
  input: VolumeInput,
): readonly VolumeFile[] {
  const all = [...input.pod.spec.containers, ...(input.pod.spec.initContainers ?? [])];
  return (items ?? []).map((item) => {
    const value =
      item.fieldRef !== undefined
        ? fieldValue(input.pod, item.fieldRef.fieldPath, input.place)
        : resourceFieldValue(all, undefined, item.resourceFieldRef ?? { resource: '' }, input.allocatable);
    if (!value.ok) throw new MountProblem(value.error);
    return { path: item.path, content: value.value, mode: item.mode ?? defaultMode ?? 0o644 };
  });
}

/**
 * Makes `<podDir>/containers/<name>/root` with a link for each mount and for the termination message, and says where each
 * mount path really is. Idempotent.
 */
export async function prepareContainerRoot(
  podDir: string,
  container: Container,
  folders: VolumeFolders,
): Promise<{ readonly root: string; readonly mounts: readonly MountPoint[]; readonly terminationMessagePath: string }> {
  const home = join(podDir, 'containers', fileName(container.name));
  const root = join(home, 'root');
  await mkdir(join(root, 'tmp'), { recursive: true });
  const terminationMessagePath = join(home, 'termination-log');
  const mounts: MountPoint[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const folder = folders.get(mount.name);
    if (folder === undefined) throw new MountProblem(`volume ${JSON.stringify(mount.name)} not found`);
    const subPath = mount.subPath === undefined ? '' : inside(mount.subPath, mount.name);
    const realPath = join(folder, subPath);
    await link(realPath, join(root, inside(mount.mountPath, mount.name)));
    mounts.push({ mountPath: mount.mountPath, realPath });
  }
  const asNamed = container.terminationMessagePath ?? '/dev/termination-log';
  await writeFile(terminationMessagePath, '');
  await link(terminationMessagePath, join(root, inside(asNamed, 'terminationMessagePath')));
  mounts.push({ mountPath: asNamed, realPath: terminationMessagePath });
  return { root, mounts, terminationMessagePath };
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await symlink(target, path);
  } catch (error) {
    // It may be there from an earlier attempt of this container.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A relative path below its folder. Throws MountProblem when the text climbs out. */
function inside(path: string, volume: string): string {
  const relative = normalize(`/${path}`).slice(1);
  if (path.split('/').includes('..')) {
    throw new MountProblem(`volume ${JSON.stringify(volume)}: path ${JSON.stringify(path)} must not contain ".."`);
  }
  return relative;
}

/** Names of volumes and containers are DNS labels; anything else would not have been admitted. */
function fileName(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) throw new MountProblem(`name ${JSON.stringify(name)} is no DNS label`);
  return name;
}
