/**
 * Which ConfigMaps and Secrets a pod template refers to: what the hub must send along with a run. Reads raw JSON that
 * nobody has validated; anything of another shape is no reference. Volume claims and other references are not followed:
 * the member refuses them by path.
 */
import { compareStrings } from '../../std/ordering.ts';

export interface TemplateReference {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  /** True when every mention says `optional: true`: then a missing object is no problem. */
  readonly optional: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** The references of a PodTemplateSpec, each once, sorted by kind and name. */
export function templateReferences(template: unknown): readonly TemplateReference[] {
  const found = new Map<string, TemplateReference>();
  const note = (kind: TemplateReference['kind'], source: unknown, nameField = 'name'): void => {
    const reference = asObject(source);
    const name = reference?.[nameField];
    if (typeof name !== 'string' || name === '') return;
    const key = `${kind}/${name}`;
    const optional = reference?.['optional'] === true && (found.get(key)?.optional ?? true);
    found.set(key, { kind, name, optional });
  };
  const spec = asObject(asObject(template)?.['spec']);
  if (spec === undefined) return [];
  for (const secret of asList(spec['imagePullSecrets'])) note('Secret', secret);
  for (const volume of asList(spec['volumes'])) noteVolume(volume, note);
  for (const field of ['containers', 'initContainers'] as const) {
    for (const container of asList(spec[field])) noteContainer(container, note);
  }
  return [...found.values()].sort((a, b) => compareStrings(`${a.kind}/${a.name}`, `${b.kind}/${b.name}`));
}

type Note = (kind: TemplateReference['kind'], source: unknown, nameField?: string) => void;

function noteVolume(volume: Json, note: Note): void {
  note('ConfigMap', volume['configMap']);
  note('Secret', volume['secret'], 'secretName');
  for (const source of asList(asObject(volume['projected'])?.['sources'])) {
    note('ConfigMap', source['configMap']);
    note('Secret', source['secret']);
  }
}

function noteContainer(container: Json, note: Note): void {
  for (const source of asList(container['envFrom'])) {
    note('ConfigMap', source['configMapRef']);
    note('Secret', source['secretRef']);
  }
  for (const variable of asList(container['env'])) {
    const from = asObject(variable['valueFrom']);
    note('ConfigMap', from?.['configMapKeyRef']);
    note('Secret', from?.['secretKeyRef']);
  }
}

function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function asList(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(asObject).filter((item) => item !== undefined) : [];
}
