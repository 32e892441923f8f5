/** Turns the versions of an established definition into served resources. */
import { type ApiObject, type JsonObject, objectAt, objectsAt, stringAt, stringsAt } from '../json-value.ts';
import { ALL_VERBS, type Resource, type Strategy, type Subresource } from '../registry/resource.ts';
import { resourceKey } from '../storage/object-store.ts';
import { customColumns } from '../table/custom-columns.ts';
import { compileCustomRules } from './custom-rules.ts';
import { compileRoot } from './structural-schema.ts';

const STATUS_VERBS = ['get', 'patch', 'update'] as const;

function subresourcesOf(version: JsonObject, kind: string): Map<string, Subresource> {
  const declared = objectAt(version, 'subresources');
  const found = new Map<string, Subresource>();
  if (declared?.['scale'] !== undefined) {
    found.set('scale', { name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: STATUS_VERBS });
  }
  if (declared?.['status'] !== undefined) found.set('status', { name: 'status', kind, verbs: STATUS_VERBS });
  return found;
}

function strategyOf(hasStatus: boolean): Strategy {
  return {
    nameRule: 'dns-subdomain',
    hasStatus,
    generationOf: ['*'],
    defaultPropagation: 'Background',
    returnsDeleted: false,
  };
}

function selectable(version: JsonObject): string[] {
  return objectsAt(version, 'selectableFields').map((field) => (stringAt(field, 'jsonPath') ?? '').replace(/^\./, ''));
}

/** One resource for each served version. */
export function customResources(definition: ApiObject): Resource[] {
  const spec = objectAt(definition, 'spec') ?? {};
  const names = objectAt(spec, 'names') ?? {};
  const group = stringAt(spec, 'group') ?? '';
  const kind = stringAt(names, 'kind') ?? '';
  const plural = stringAt(names, 'plural') ?? '';
  const versions = objectsAt(spec, 'versions');
  const storageVersion = stringAt(
    versions.find((version) => version['storage'] === true),
    'name',
  );
  return versions
    .filter((version) => version['served'] === true)
    .map((version): Resource => {
      const source = objectAt(objectAt(version, 'schema'), 'openAPIV3Schema') ?? { type: 'object' };
      const schema = compileRoot(source);
      const subresources = subresourcesOf(version, kind);
      return {
        group,
        version: stringAt(version, 'name') ?? '',
        plural,
        singular: stringAt(names, 'singular') ?? kind.toLowerCase(),
        kind,
        listKind: stringAt(names, 'listKind') ?? `${kind}List`,
        namespaced: spec['scope'] === 'Namespaced',
        shortNames: stringsAt(names, 'shortNames'),
        categories: stringsAt(names, 'categories'),
        verbs: ALL_VERBS,
        storageKey: resourceKey(group, plural),
        storageVersion: storageVersion ?? '',
        schema,
        strategy: strategyOf(subresources.has('status')),
        selectableFields: selectable(version),
        columns: customColumns(version),
        subresources,
        custom: compileCustomRules(source, schema),
      };
    });
}
