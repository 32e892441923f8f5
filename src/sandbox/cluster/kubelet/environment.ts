/**
 * The environment, command line and references of a container, as a kubelet works them out.
 *
 * Invariants: pure; `$(NAME)` is replaced from what is defined before it, `$$(NAME)` stays as `$(NAME)`, an unknown name is
 * left as it is; a missing reference that is not optional is an error that names object and key but no value. Leaves out
 * what the sandbox adds of its own (container-launch.ts).
 */
import { err, ok } from '../../../std/result.ts';
import type { Result } from '../../../std/result.ts';
import type { Container, EnvVar, KeySelector, Pod, Volume } from '../objects/pod.ts';
import { fieldValue, resourceFieldValue } from './field-path.ts';
import type { PodPlace } from './field-path.ts';

/** ConfigMaps and Secrets of the pod's namespace that were fetched: name -> key -> value. Absent = does not exist. */
export interface ConfigObjects {
  readonly configMaps: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
  readonly secrets: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
}

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly place: PodPlace;
  readonly config: ConfigObjects;
  readonly allocatable: Readonly<Record<string, string | number>>;
}

/** The error is the sentence that the kubelet shows with CreateContainerConfigError. */
export function containerEnvironment(input: EnvironmentInput): Result<Record<string, string>, string> {
  const env: Record<string, string> = {};
  for (const source of input.container.envFrom ?? []) {
    const failure = addAllFrom(env, source, input.config);
    if (failure !== undefined) return err(failure);
  }
  for (const variable of input.container.env ?? []) {
    const value = valueOf(variable, env, input);
    if (!value.ok) return value;
    if (value.value !== undefined) env[variable.name] = value.value;
  }
  return ok(env);
}

function addAllFrom(
  env: Record<string, string>,
  source: NonNullable<Container['envFrom']>[number],
  config: ConfigObjects,
): string | undefined {
  const kind = source.configMapRef === undefined ? 'secret' : 'configmap';
  const ref = source.configMapRef ?? source.secretRef;
  const name = ref?.name ?? '';
  const data = (kind === 'secret' ? config.secrets : config.configMaps).get(name);
  if (data === undefined) return ref?.optional === true ? undefined : `${kind} ${JSON.stringify(name)} not found`;
  for (const [key, value] of data) env[`${source.prefix ?? ''}${key}`] = text(value);
  return undefined;
}

function valueOf(
  variable: EnvVar,
  env: Readonly<Record<string, string>>,
  input: EnvironmentInput,
): Result<string | undefined, string> {
  const from = variable.valueFrom;
  if (from === undefined) return ok(expand(variable.value ?? '', env));
  if (from.fieldRef !== undefined) return fieldValue(input.pod, from.fieldRef.fieldPath, input.place);
  if (from.resourceFieldRef !== undefined) {
    const all = [...input.pod.spec.containers, ...(input.pod.spec.initContainers ?? [])];
    return resourceFieldValue(all, input.container, from.resourceFieldRef, input.allocatable);
  }
  if (from.configMapKeyRef !== undefined) return keyValue('configmap', input.config.configMaps, from.configMapKeyRef);
  if (from.secretKeyRef !== undefined) return keyValue('secret', input.config.secrets, from.secretKeyRef);
  return err(`env ${JSON.stringify(variable.name)}: valueFrom names no source that the sandbox knows`);
}

function keyValue(
  kind: 'configmap' | 'secret',
  objects: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>,
  ref: KeySelector,
): Result<string | undefined, string> {
  const object = objects.get(ref.name ?? '');
  const value = object?.get(ref.key);
  if (value !== undefined) return ok(text(value));
  if (ref.optional === true) return ok(undefined);
  if (object === undefined) return err(`${kind} ${JSON.stringify(ref.name ?? '')} not found`);
  return err(`couldn't find key ${ref.key} in ${kind} ${JSON.stringify(ref.name ?? '')}`);
}

/** Kubernetes' `$(NAME)` expansion, for commands, arguments and values. */
export function expand(value: string, env: Readonly<Record<string, string>>): string {
  return value.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return Object.hasOwn(env, name) ? (env[name] ?? '') : whole;
  });
}

/** Names of ConfigMaps and Secrets that the pod's containers and volumes refer to. */
export function configReferences(pod: Pod): {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
} {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  const found = { configMaps, secrets };
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers])
    addOfContainer(found, container);
  for (const volume of pod.spec.volumes ?? []) addOfVolume(found, volume);
  return found;
}

interface Names {
  readonly configMaps: Set<string>;
  readonly secrets: Set<string>;
}

function addOfContainer({ configMaps, secrets }: Names, container: Container): void {
  for (const { valueFrom } of container.env ?? []) {
    add(configMaps, valueFrom?.configMapKeyRef?.name);
    add(secrets, valueFrom?.secretKeyRef?.name);
  }
  for (const source of container.envFrom ?? []) {
    add(configMaps, source.configMapRef?.name);
    add(secrets, source.secretRef?.name);
  }
}

function addOfVolume({ configMaps, secrets }: Names, volume: Volume): void {
  add(configMaps, volume.configMap?.name);
  add(secrets, volume.secret?.secretName);
  for (const source of volume.projected?.sources ?? []) {
    add(configMaps, source.configMap?.name);
    add(secrets, source.secret?.name);
  }
}

function add(names: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') names.add(name);
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString('utf8');
}
