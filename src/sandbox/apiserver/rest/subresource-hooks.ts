/** Handlers of subresources and of kinds that are asked rather than stored: other rooms plug theirs in here. */
import type { ApiObject, JsonObject } from '../json-value.ts';
import type { Resource } from '../registry/resource.ts';
import type { ApiAnswer, ApiCall } from './api-call.ts';

export interface SubresourceCall extends ApiCall {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  /** Path after the subresource, without leading slash. */
  readonly rest: string;
  /** The parent as stored. */
  readonly object: ApiObject;
  /** Decoded body; throws 400 or 415 when there is none to decode. */
  json(): JsonObject;
}

export type SubresourceHandler = (call: SubresourceCall) => ApiAnswer | Promise<ApiAnswer>;

export interface SubresourceName {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
}

export class SubresourceHooks {
  private readonly handlers = new Map<string, SubresourceHandler>();

  /** The last registration of a name wins. */
  register(name: SubresourceName, handler: SubresourceHandler): void {
    this.handlers.set(`${name.group}/${name.resource}/${name.subresource}`, handler);
  }

  find(name: SubresourceName): SubresourceHandler | undefined {
    return this.handlers.get(`${name.group}/${name.resource}/${name.subresource}`);
  }
}
