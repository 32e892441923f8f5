/** Reads manifests and applies them as `kubectl apply --server-side` would, with types looked up in a table. */
import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import { ALL_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import * as builtin from '../../src/platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeObject, ResourceType } from '../../src/platform/kube/object.ts';

const byKind = new Map<string, ResourceType>(
  [...Object.values(builtin), ...ALL_KINDS.map((kind) => kind.resource)]
    .filter((type): type is ResourceType => typeof type === 'object')
    .map((type) => [type.kind, type]),
);

/** Throws for a kind that the table does not have. */
export function typeOfKind(kind: string): ResourceType {
  const type = byKind.get(kind);
  if (type === undefined) throw new Error(`kind ${kind} is not in the table of resource types`);
  return type;
}

export async function readObjects(path: string): Promise<readonly KubeObject[]> {
  const documents = parseAllDocuments(await readFile(path, 'utf8'));
  return documents.map((document) => document.toJS() as KubeObject | null).filter((object) => object !== null);
}

export async function applyObjects(client: KubeClient, objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects) {
    await client.apply(typeOfKind(object.kind ?? ''), object, { fieldManager: 'kubectl', force: true });
  }
}

export async function applyFile(client: KubeClient, path: string): Promise<void> {
  await applyObjects(client, await readObjects(path));
}
