/**
 * The verbs on resources: takes an authorized request to the store and back. What each kind allows is in its resource
 * entry; how an object is written or deleted is in write-object.ts and delete-object.ts.
 */
import type { Cluster } from '../cluster.ts';
import { invalidValue, refuseInvalid } from '../field-error.ts';
import { type ApiObject, isObject, type JsonObject } from '../json-value.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import type { BuiltinTypes } from '../schema/builtin-notation.ts';
import { methodNotAllowed, noSuchPath, notFound } from '../status-error.ts';
import { type ApiAnswer, type ApiCall, JSON_TYPE, jsonAnswer } from './api-call.ts';
import { deleteObject, readDeleteOptions } from './delete-object.ts';
import { listObjects, readSelection } from './list-objects.ts';
import { presentationFor } from './media-type.ts';
import type { OpenStreams } from './open-streams.ts';
import { patchObject } from './patch-object.ts';
import { type IncludeObject, presentList, presentObject, type PresentOptions } from './present.ts';
import { prepareObject } from './prepare-object.ts';
import { decodeBody, decodeOptionalBody, fieldValidationOf } from './request-body.ts';
import type { ResourceRequest } from './request-info.ts';
import type { SubresourceHooks } from './subresource-hooks.ts';
import { watchObjects } from './watch-objects.ts';
import { createObject, updateObject, type WriteOptions } from './write-object.ts';

export interface EndpointDeps {
  readonly cluster: Cluster;
  readonly types: BuiltinTypes;
  readonly hooks: SubresourceHooks;
  readonly streams: OpenStreams;
  /** Throws Forbidden: for what a request turns out to need besides what its path says. */
  readonly authorize: (call: ApiCall, info: ResourceRequest) => void;
}

interface Request {
  readonly call: ApiCall;
  readonly info: ResourceRequest;
  readonly resource: Resource;
}

/** Manager name of a write: said in the query, else the client program's name. */
function managerOf(call: ApiCall): string {
  const given = call.query.get('fieldManager');
  if (given !== null && given !== '') return given;
  const program = (call.headers['user-agent'] ?? '').split('/')[0]?.slice(0, 128) ?? '';
  return program === '' ? 'unknown' : program;
}

function isDryRun(query: URLSearchParams): boolean {
  return query.getAll('dryRun').includes('All');
}

function writeOptions(call: ApiCall, subresource: string): WriteOptions {
  return { user: call.user, manager: managerOf(call), dryRun: isDryRun(call.query), subresource };
}

function includeObject(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject');
  return text === 'None' || text === 'Object' ? text : 'Metadata';
}

function warningHeaders(warnings: readonly string[]): Record<string, string> {
  if (warnings.length === 0) return {};
  const texts = warnings.map((text) => `299 - "${text.replace(/["\\]/g, '\\$&')}"`);
  return { warning: texts.join(', ') };
}

/** Custom resources may not be replaced blindly. */
function requireRevision(resource: Resource, { metadata }: ApiObject): void {
  const given = metadata.resourceVersion ?? '';
  const errors = given === '' ? [invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')] : [];
  refuseInvalid(resource, metadata.name, errors);
}

export class ResourceEndpoint {
  private readonly cluster: Cluster;
  private readonly types: BuiltinTypes;
  private readonly hooks: SubresourceHooks;
  private readonly streams: OpenStreams;
  private readonly authorize: EndpointDeps['authorize'];

  constructor(deps: EndpointDeps) {
    this.cluster = deps.cluster;
    this.types = deps.types;
    this.hooks = deps.hooks;
    this.streams = deps.streams;
    this.authorize = deps.authorize;
  }

  handle(call: ApiCall, info: ResourceRequest): ApiAnswer | Promise<ApiAnswer> {
    const resource = this.cluster.registry.find(info.group, info.version, info.resource);
    if (resource === undefined) throw noSuchPath();
    if (info.subresource !== '' && info.subresource !== 'status') return this.subresource(call, info, resource);
    if (info.subresource === 'status' && !resource.subresources.has('status')) throw noSuchPath();
    if (!resource.verbs.includes(info.verb)) throw methodNotAllowed();
    return this.verb({ call, info, resource });
  }

  private verb(request: Request): ApiAnswer | Promise<ApiAnswer> {
    const { info, resource } = request;
    switch (info.verb) {
      case 'get':
        return this.object(request, 200, this.find(info, resource));
      case 'list':
        return this.list(request);
      case 'watch':
        return this.watch(request);
      case 'create':
        return this.create(request);
      case 'update':
        return this.update(request);
      case 'patch':
        return this.patch(request);
      case 'delete':
        return this.delete(request);
      case 'deletecollection':
        return this.deleteCollection(request);
    }
  }

  private namespaceOf(info: ResourceRequest, resource: Resource): string {
    return resource.namespaced ? info.namespace : '';
  }

  private find(info: ResourceRequest, resource: Resource): ApiObject {
    const object = this.cluster.store.get(resource.storageKey, this.namespaceOf(info, resource), info.name);
    if (object === undefined) throw notFound(resource, info.name);
    return object;
  }

  private present(call: ApiCall): PresentOptions {
    return {
      presentation: presentationFor(call.headers['accept']),
      includeObject: includeObject(call.query),
      nowMs: this.cluster.clock.nowMs(),
    };
  }

  private object(
    { call, resource }: Request,
    status: number,
    object: ApiObject,
    warnings: readonly string[] = [],
  ): ApiAnswer {
    const body = presentObject(resource, object, this.present(call));
    return { status, headers: { 'content-type': JSON_TYPE, ...warningHeaders(warnings) }, body };
  }

  /** `undefined` for all namespaces. */
  private scope(info: ResourceRequest, resource: Resource): string | undefined {
    if (!resource.namespaced) return '';
    return info.namespace === '' ? undefined : info.namespace;
  }

  private list({ call, info, resource }: Request): ApiAnswer {
    const page = listObjects(this.cluster, resource, this.scope(info, resource), call.query);
    const body = presentList(resource, page.objects, page.meta, this.present(call));
    return { status: 200, headers: { 'content-type': JSON_TYPE }, body };
  }

  private watch({ call, info, resource }: Request): ApiAnswer {
    const selection = readSelection(resource, call.query);
    const named = info.name === '' ? undefined : (object: ApiObject): boolean => object.metadata.name === info.name;
    const stream = watchObjects(
      this.cluster,
      {
        resource,
        namespace: this.scope(info, resource),
        selected: named ?? selection.selected,
        query: call.query,
        present: this.present(call),
      },
      call.signal,
    );
    this.streams.add(stream);
    return { status: 200, headers: { 'content-type': JSON_TYPE }, body: stream };
  }

  private create(request: Request): ApiAnswer | Promise<ApiAnswer> {
    const { call, info, resource } = request;
    if (info.name !== '' || info.subresource !== '') throw methodNotAllowed();
    const validation = fieldValidationOf(call.query);
    const { object, duplicates } = decodeBody(call, this.types);
    const namespace = this.namespaceOf(info, resource);
    const warnings = prepareObject(object, { resource, namespace, name: '' }, { duplicates, validation });
    if (!resource.verbs.includes('get')) return this.ask(request, object);
    const created = createObject(this.cluster, resource, { namespace, object }, writeOptions(call, ''));
    return this.object(request, 201, created, warnings);
  }

  /** Kinds that are answered, not stored. */
  private ask({ call, info, resource }: Request, object: JsonObject): ApiAnswer | Promise<ApiAnswer> {
    const handler = this.hooks.find({ group: resource.group, resource: resource.plural, subresource: '' });
    if (handler === undefined) throw noSuchPath();
    const parent = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name: '' } };
    return handler({
      ...call,
      resource,
      namespace: info.namespace,
      name: '',
      subresource: '',
      rest: '',
      object: parent,
      json: () => object,
    });
  }

  private update(request: Request): ApiAnswer {
    const { call, info, resource } = request;
    const validation = fieldValidationOf(call.query);
    const { object, duplicates } = decodeBody(call, this.types);
    const namespace = this.namespaceOf(info, resource);
    const warnings = prepareObject(object, { resource, namespace, name: info.name }, { duplicates, validation });
    const old = this.find(info, resource);
    if (resource.custom !== undefined) requireRevision(resource, object as ApiObject);
    const change = { old, next: object as ApiObject };
    const updated = updateObject(this.cluster, resource, change, writeOptions(call, info.subresource));
    return this.object(request, 200, updated.object, warnings);
  }

  private patch(request: Request): ApiAnswer {
    const { call, info, resource } = request;
    const namespace = this.namespaceOf(info, resource);
    const old = this.cluster.store.get(resource.storageKey, namespace, info.name);
    // An apply may create; then it takes the right to.
    if (old === undefined) this.authorize(call, { ...info, verb: 'create' });
    const result = patchObject(this.cluster, {
      call,
      target: { resource, namespace, name: info.name },
      old,
      options: writeOptions(call, info.subresource),
    });
    return this.object(request, result.created ? 201 : 200, result.object, result.warnings);
  }

  private delete(request: Request): ApiAnswer {
    const { call, info, resource } = request;
    if (info.subresource !== '') throw methodNotAllowed();
    const options = readDeleteOptions(decodeOptionalBody(call, this.types), call.query);
    const { object, gone } = deleteObject(this.cluster, resource, this.find(info, resource), options);
    if (resource.strategy.returnsDeleted || !gone) return this.object(request, 200, object);
    const { name, uid } = object.metadata;
    return jsonAnswer(200, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural, uid },
    });
  }

  private deleteCollection(request: Request): ApiAnswer {
    const { call, info, resource } = request;
    const options = readDeleteOptions(decodeOptionalBody(call, this.types), call.query);
    const { objects, meta } = listObjects(this.cluster, resource, this.scope(info, resource), call.query);
    const deleted = objects.map((object) => deleteObject(this.cluster, resource, object, options).object);
    const body = presentList(resource, deleted, meta, this.present(call));
    return { status: 200, headers: { 'content-type': JSON_TYPE }, body };
  }

  private subresource(call: ApiCall, info: ResourceRequest, resource: Resource): ApiAnswer | Promise<ApiAnswer> {
    const { group, resource: plural, subresource, name, rest } = info;
    const handler = this.hooks.find({ group, resource: plural, subresource });
    if (handler === undefined || !resource.subresources.has(subresource)) throw noSuchPath();
    const object = this.find(info, resource);
    const namespace = this.namespaceOf(info, resource);
    const json = (): JsonObject => {
      const body = decodeBody(call, this.types).object;
      return isObject(body) ? body : {};
    };
    return handler({ ...call, resource, namespace, name, subresource, rest, object, json });
  }
}
