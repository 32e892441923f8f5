/**
 * Turns a container of a pod into what the runtime starts: program, arguments, environment, working folder.
 *
 * Invariants: the environment holds a small base (PATH, HOME, TMPDIR, HOSTNAME, LUMBUNG_SANDBOX_ROOT, LUMBUNG_SANDBOX_DISK), then what the pod
 * says, then the boards it was given, which nothing can overwrite; nothing comes from the sandbox's own environment. Images
 * are ignored, so that a container must name its command; an image that ends in `:does-not-exist` cannot be pulled.
 */
import { mkdir } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import type { Container, Pod } from '../objects/pod.ts';
import { containerEnvironment, expand } from './environment.ts';
import type { ConfigObjects } from './environment.ts';
import type { PodPlace } from './field-path.ts';
import { pathRewriter } from './mount-rewrite.ts';
import { MountProblem, prepareContainerRoot } from './volumes.ts';
import type { VolumeFolders } from './volumes.ts';

export interface LaunchInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly place: PodPlace;
  readonly config: ConfigObjects;
  readonly allocatable: Readonly<Record<string, string | number>>;
  /** UUIDs of the boards that the container was given. */
  readonly boards: readonly string[];
  /** Undefined for a runtime without disk. */
  readonly disk:
    | {
        readonly podDir: string;
        /** The member's disk, which outlives the pod. */ readonly memberDir: string;
        readonly folders: VolumeFolders;
      }
    | undefined;
  /** Directories of programs, colon-separated. */
  readonly path: string;
  readonly resolveName: (text: string) => Promise<string>;
}

export type LaunchPlan =
  | {
      readonly kind: 'Ready';
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly workingDir: string;
      readonly terminationMessagePath: string | undefined;
    }
  /** Worth another try later. */
  | { readonly kind: 'NotYet'; readonly reason: string; readonly message: string };

export async function planLaunch(input: LaunchInput): Promise<LaunchPlan> {
  const { container } = input;
  const own = containerEnvironment(input);
  if (!own.ok) return { kind: 'NotYet', reason: 'CreateContainerConfigError', message: own.error };
  if (input.disk !== undefined && (container.command ?? []).length === 0) {
    const message = `no command specified: the sandbox ignores images, so containers[${container.name}].command must name a program`;
    return { kind: 'NotYet', reason: 'CreateContainerError', message };
  }
  const argv = [...(container.command ?? []), ...(container.args ?? [])].map((text) => expand(text, own.value));
  if (input.disk === undefined) {
    return { kind: 'Ready', argv, env: own.value, workingDir: '/', terminationMessagePath: undefined };
  }
  try {
    return await onDisk(input, { ...input.disk, argv, own: own.value });
  } catch (error) {
    if (error instanceof MountProblem)
      return { kind: 'NotYet', reason: 'CreateContainerError', message: error.message };
    throw error;
  }
}

interface DiskLaunch {
  readonly podDir: string;
  readonly memberDir: string;
  readonly folders: VolumeFolders;
  readonly argv: readonly string[];
  readonly own: Readonly<Record<string, string>>;
}

async function onDisk(input: LaunchInput, { podDir, memberDir, folders, argv, own }: DiskLaunch): Promise<LaunchPlan> {
  const prepared = await prepareContainerRoot(podDir, input.container, folders);
  const rewrite = pathRewriter(prepared.mounts);
  const env: Record<string, string> = {
    PATH: input.path,
    HOME: prepared.root,
    TMPDIR: join(prepared.root, 'tmp'),
    HOSTNAME: hostnameOf(input.pod),
  };
  for (const [name, value] of Object.entries(own)) env[name] = await input.resolveName(rewrite(value));
  if (input.boards.length > 0) env['NVIDIA_VISIBLE_DEVICES'] = input.boards.join(',');
  env['LUMBUNG_SANDBOX_ROOT'] = prepared.root;
  env['LUMBUNG_SANDBOX_DISK'] = memberDir;
  const workingDir = await workingFolder(input.container, prepared.root, rewrite);
  return {
    kind: 'Ready',
    argv: argv.map(rewrite),
    env,
    workingDir,
    terminationMessagePath: prepared.terminationMessagePath,
  };
}

async function workingFolder(container: Container, root: string, rewrite: (text: string) => string): Promise<string> {
  const { workingDir } = container;
  if (workingDir === undefined || workingDir === '') return root;
  const rewritten = rewrite(workingDir);
  const folder = rewritten === workingDir ? join(root, normalize(`/${workingDir}`)) : rewritten;
  await mkdir(folder, { recursive: true });
  return folder;
}

export function hostnameOf(pod: Pod): string {
  const { hostname } = pod.spec;
  return hostname === undefined || hostname === '' ? (pod.metadata.name ?? '') : hostname;
}

/** The sentence of a failed pull; undefined when the image "exists". */
export function pullProblem(image: string): string | undefined {
  return image.endsWith(':does-not-exist')
    ? `rpc error: code = NotFound desc = failed to pull and unpack image ${JSON.stringify(image)}: ${image}: not found`
    : undefined;
}
