/** Turns stored objects into what a client asked to see: whole objects, tables for people, or metadata alone. */
import type { ApiObject, JsonObject } from '../json-value.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { serialized } from '../storage/serialized.ts';
import type { Presentation } from './media-type.ts';

export interface ListMeta extends JsonObject {
  resourceVersion?: string;
  continue?: string;
  remainingItemCount?: number;
}

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface PresentOptions {
  readonly presentation: Presentation;
  readonly includeObject: IncludeObject;
  readonly nowMs: number;
}

/** The object as the requested version shows it. Versions differ only in schema here, so only apiVersion changes. */
export function inVersion(resource: Resource, object: ApiObject): ApiObject {
  return resource.version === resource.storageVersion ? object : { ...object, apiVersion: apiVersionOf(resource) };
}

function partial(object: ApiObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function rowObject(object: ApiObject, include: IncludeObject): JsonObject | undefined {
  if (include === 'None') return undefined;
  return include === 'Object' ? object : partial(object);
}

export function tableOf(
  resource: Resource,
  objects: readonly ApiObject[],
  meta: ListMeta,
  options: PresentOptions,
): JsonObject {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: meta,
    columnDefinitions: resource.columns.map(({ name, type, format, description, priority }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    rows: objects.map((object) => {
      const shown = rowObject(object, options.includeObject);
      return {
        cells: resource.columns.map((column) => column.value(object, options.nowMs) ?? null),
        ...(shown === undefined ? {} : { object: shown }),
      };
    }),
  };
}

function bytesOf(value: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function presentObject(resource: Resource, object: ApiObject, options: PresentOptions): Buffer {
  switch (options.presentation) {
    case 'object':
      return serialized(inVersion(resource, object));
    case 'metadata':
      return bytesOf(partial(object));
    case 'table': {
      const { resourceVersion } = object.metadata;
      return bytesOf(tableOf(resource, [object], resourceVersion === undefined ? {} : { resourceVersion }, options));
    }
  }
}

const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']}\n');

export function presentList(
  resource: Resource,
  objects: readonly ApiObject[],
  meta: ListMeta,
  options: PresentOptions,
): Buffer {
  switch (options.presentation) {
    case 'table':
      return bytesOf(tableOf(resource, objects, meta, options));
    case 'metadata':
      return bytesOf({
        kind: 'PartialObjectMetadataList',
        apiVersion: 'meta.k8s.io/v1',
        metadata: meta,
        items: objects.map(partial),
      });
    case 'object': {
      const head = { kind: resource.listKind, apiVersion: apiVersionOf(resource), metadata: meta };
      const parts: Buffer[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
      objects.forEach((object, i) => {
        if (i > 0) parts.push(COMMA);
        parts.push(serialized(inVersion(resource, object)));
      });
      parts.push(CLOSE);
      return Buffer.concat(parts);
    }
  }
}
