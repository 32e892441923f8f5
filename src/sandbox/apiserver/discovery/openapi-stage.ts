/**
 * /openapi/v3: an index of group versions and one document each, made when asked for and kept until the types change.
 * /openapi/v2 does not exist here; kubectl does without.
 */
import { createHash } from 'node:crypto';
import { type JsonObject, textFor } from '../json-value.ts';
import type { Registry } from '../registry/registry.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { type ApiAnswer, jsonAnswer } from '../rest/api-call.ts';
import type { RequestStage } from '../rest/request-handler.ts';
import { ApiError, notAcceptable } from '../status-error.ts';
import { apiPathOf, componentSchemas, schemaName } from './openapi-schemas.ts';
import { versionDocument } from './discovery-documents.ts';

const REF = '#/components/schemas/';

function parameter(name: string, type: string): JsonObject {
  return { name, in: 'query', schema: { type, uniqueItems: true } };
}

const WRITE_PARAMETERS = [
  parameter('dryRun', 'string'),
  parameter('fieldManager', 'string'),
  parameter('fieldValidation', 'string'),
];

function operation(resource: Resource, action: string, parameters: readonly JsonObject[] = []): JsonObject {
  const { group, version, kind } = resource;
  const schema = { $ref: REF + schemaName(resource) + (action === 'list' ? 'List' : '') };
  return {
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind },
    ...(parameters.length === 0 ? {} : { parameters: [...parameters] }),
    responses: { '200': { description: 'OK', content: { 'application/json': { schema } } } },
  };
}

function withBody(resource: Resource, base: JsonObject, types: readonly string[]): JsonObject {
  const schema = { $ref: REF + schemaName(resource) };
  return { ...base, requestBody: { content: Object.fromEntries(types.map((type) => [type, { schema }])) } };
}

const PATCH_TYPES = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];

function pathsOf(resource: Resource): JsonObject {
  const base = apiPathOf(resource);
  const collection = `${base}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}`;
  const patch = operation(resource, 'patch', [...WRITE_PARAMETERS, parameter('force', 'boolean')]);
  const post = withBody(resource, operation(resource, 'post', WRITE_PARAMETERS), ['application/json']);
  if (!resource.verbs.includes('get')) return { [collection]: { post } };
  return {
    [collection]: {
      get: operation(resource, 'list', [parameter('limit', 'integer'), parameter('watch', 'boolean')]),
      post,
      delete: operation(resource, 'deletecollection', [parameter('dryRun', 'string')]),
    },
    [`${collection}/{name}`]: {
      get: operation(resource, 'get'),
      put: withBody(resource, operation(resource, 'put', WRITE_PARAMETERS), ['application/json']),
      patch: withBody(resource, patch, PATCH_TYPES),
      delete: operation(resource, 'delete', [parameter('dryRun', 'string')]),
    },
  };
}

interface Document {
  readonly path: string;
  readonly body: Buffer;
  readonly hash: string;
}

function documentOf(resources: readonly Resource[]): Buffer {
  const info = { title: 'Kubernetes', version: textFor(versionDocument()['gitVersion']) };
  const paths = Object.assign({}, ...resources.map(pathsOf)) as JsonObject;
  return Buffer.from(
    JSON.stringify({ openapi: '3.0.0', info, paths, components: { schemas: componentSchemas(resources) } }),
  );
}

class Documents {
  private readonly registry: Registry;
  private generation = -1;
  private readonly byPath = new Map<string, Document>();
  private index: JsonObject = {};

  constructor(registry: Registry) {
    this.registry = registry;
  }

  indexDocument(): JsonObject {
    this.refresh();
    return this.index;
  }

  find(path: string): Document | undefined {
    this.refresh();
    return this.byPath.get(path);
  }

  private refresh(): void {
    if (this.generation === this.registry.generation) return;
    this.generation = this.registry.generation;
    this.byPath.clear();
    const paths: JsonObject = {};
    for (const [group, versions] of this.registry.groups()) {
      for (const version of versions) {
        const path = group === '' ? `api/${version}` : `apis/${apiVersionOf({ group, version })}`;
        const body = documentOf(this.registry.inGroupVersion(group, version));
        const hash = createHash('sha256').update(body).digest('hex').toUpperCase();
        this.byPath.set(path, { path, body, hash });
        paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
      }
    }
    this.index = { paths };
  }
}

/** kubectl asks for protobuf first and takes JSON. */
function refuseProtobufOnly(accept: string | undefined): void {
  if (accept === undefined || accept.includes('json') || accept.includes('*/*')) return;
  throw notAcceptable(['application/json']);
}

export function createOpenApiStage(registry: Registry): RequestStage {
  const documents = new Documents(registry);
  const serve = (path: string): ApiAnswer => {
    const document = documents.find(path);
    if (document === undefined)
      throw new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
    const headers = {
      'content-type': 'application/json',
      etag: `"${document.hash}"`,
      'cache-control': 'public, immutable',
    };
    return { status: 200, headers, body: document.body };
  };
  return (call, info) => {
    if (info.kind !== 'plain' || call.method !== 'GET' || !info.path.startsWith('/openapi/v3')) return undefined;
    refuseProtobufOnly(call.headers['accept']);
    const rest = info.path.slice('/openapi/v3'.length).replace(/^\//, '');
    return rest === '' ? jsonAnswer(200, documents.indexDocument()) : serve(rest);
  };
}
