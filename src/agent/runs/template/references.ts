/**
 * The ConfigMaps and Secrets of a template on the member: every name is replaced by the name of the run's own copy, so that
 * a template can name nothing else in the namespace, not even another run's copy.
 *
 * Invariant: after renaming, a reference resolves to a copy of this run or to nothing. Leaves out making copies (copies.ts).
 */
import { runCopyName } from '../../../api/v1alpha1/child-names.ts';
import type { RunId } from '../../../core/model/ids.ts';
import { isObject } from './check-template.ts';

type Json = Readonly<Record<string, unknown>>;
type Kind = 'ConfigMap' | 'Secret';

/** The pod spec with all references renamed. */
export function renameReferences(spec: Json, run: RunId): Json {
  const renamed = (kind: Kind, source: unknown, field = 'name'): unknown => {
    if (!isObject(source)) return source;
    const name = source[field];
    return typeof name === 'string' ? { ...source, [field]: runCopyName(run, kind, name) } : source;
  };
  return {
    ...spec,
    ...mapList(spec, 'imagePullSecrets', (secret) => renamed('Secret', secret) as Json),
    ...mapList(spec, 'volumes', (volume) => renameVolume(volume, renamed)),
    ...mapList(spec, 'containers', (container) => renameContainer(container, renamed)),
    ...mapList(spec, 'initContainers', (container) => renameContainer(container, renamed)),
  };
}

type Rename = (kind: Kind, source: unknown, field?: string) => unknown;

function renameVolume(volume: Json, renamed: Rename): Json {
  const projected = volume['projected'];
  return {
    ...volume,
    ...replaced(volume, 'configMap', (source) => renamed('ConfigMap', source)),
    ...replaced(volume, 'secret', (source) => renamed('Secret', source, 'secretName')),
    ...(isObject(projected)
      ? { projected: { ...projected, ...mapList(projected, 'sources', sourceOf(renamed)) } }
      : {}),
  };
}

function sourceOf(renamed: Rename): (source: Json) => Json {
  return (source) => ({
    ...source,
    ...replaced(source, 'configMap', (one) => renamed('ConfigMap', one)),
    ...replaced(source, 'secret', (one) => renamed('Secret', one)),
  });
}

function renameContainer(container: Json, renamed: Rename): Json {
  return {
    ...container,
    ...mapList(container, 'envFrom', (source) => ({
      ...source,
      ...replaced(source, 'configMapRef', (one) => renamed('ConfigMap', one)),
      ...replaced(source, 'secretRef', (one) => renamed('Secret', one)),
    })),
    ...mapList(container, 'env', (variable) => ({
      ...variable,
      ...replaced(variable, 'valueFrom', (from) =>
        isObject(from)
          ? {
              ...from,
              ...replaced(from, 'configMapKeyRef', (one) => renamed('ConfigMap', one)),
              ...replaced(from, 'secretKeyRef', (one) => renamed('Secret', one)),
            }
          : from,
      ),
    })),
  };
}

/** `{field: change(value)}` where the field is present. */
function replaced(object: Json, field: string, change: (value: unknown) => unknown): Json {
  return object[field] === undefined ? {} : { [field]: change(object[field]) };
}

/** `{field: [...]}` with every object of the list changed, where the list is present. */
export function mapList(object: Json, field: string, change: (item: Json) => Json): Json {
  const list = object[field];
  return Array.isArray(list) ? { [field]: list.map((item: unknown) => (isObject(item) ? change(item) : item)) } : {};
}

/** Every `envFrom` of the template: which copy's keys become variables, with which prefix. */
export function environmentSources(
  spec: Json,
): readonly { readonly kind: Kind; readonly name: string; readonly prefix: string }[] {
  return ['initContainers', 'containers'].flatMap((field) =>
    objectsOf(spec[field]).flatMap((container) =>
      objectsOf(container['envFrom']).flatMap((source) => {
        const prefix = typeof source['prefix'] === 'string' ? source['prefix'] : '';
        return (
          [
            ['ConfigMap', source['configMapRef']],
            ['Secret', source['secretRef']],
          ] as const
        ).flatMap(([kind, reference]) => {
          const name = isObject(reference) ? reference['name'] : undefined;
          return typeof name === 'string' ? [{ kind, name, prefix }] : [];
        });
      }),
    ),
  );
}

function objectsOf(list: unknown): readonly Json[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}
