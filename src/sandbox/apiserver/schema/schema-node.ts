/**
 * One form for the shape of every object, built-in or custom: pruning, merging, field ownership, protobuf decoding and
 * published schemas all walk it. Nodes may be shared and may refer to themselves.
 */
import type { JsonObject } from '../json-value.ts';

export type ScalarKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'quantity'
  | 'time'
  | 'microtime'
  | 'duration'
  | 'intstr';

/** What server-side apply and strategic merge must know of a member besides its shape. */
export interface MergeRules {
  /** Strategic merge: members merge instead of being replaced. */
  readonly patchMerge: boolean;
  /** Strategic merge: the key of object items; absent for lists of scalars. */
  readonly patchMergeKey?: string;
  /** Strategic merge: members absent from the patch are dropped. */
  readonly retainKeys: boolean;
}

export interface FieldNode {
  readonly node: SchemaNode;
  readonly required: boolean;
  readonly merge: MergeRules;
  /** Protobuf field number; 0 when the type has no protobuf form. */
  readonly number: number;
  /** The message whose members appear in line here (Go embedding), for protobuf only. */
}

export interface ObjectNode {
  readonly kind: 'object';
  /** Published name, e.g. `io.k8s.api.core.v1.Pod`; absent for anonymous shapes. */
  readonly definition?: string;
  readonly fields: ReadonlyMap<string, FieldNode>;
  /** Embedded messages: protobuf number to the message whose fields belong to this object. */
  readonly embedded: ReadonlyMap<number, ObjectNode>;
  readonly preserveUnknown: boolean;
  readonly atomic: boolean;
  /** JSON schema to publish and validate by (custom resources). */
  readonly source?: JsonObject;
}

export interface MapNode {
  readonly kind: 'map';
  readonly values: SchemaNode;
  readonly atomic: boolean;
  readonly source?: JsonObject;
}

export type ListType = 'atomic' | 'set' | 'map';

export interface ListNode {
  readonly kind: 'list';
  readonly items: SchemaNode;
  readonly listType: ListType;
  readonly keys: readonly string[];
  readonly source?: JsonObject;
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly scalar: ScalarKind;
  readonly source?: JsonObject;
}

/** Anything goes; its parts are deduced from the value. */
export interface AnyNode {
  readonly kind: 'any';
  readonly source?: JsonObject;
}

export type SchemaNode = ObjectNode | MapNode | ListNode | ScalarNode | AnyNode;

export const NO_MERGE: MergeRules = { patchMerge: false, retainKeys: false };
export const ANY: AnyNode = { kind: 'any' };

/** The member's node, or `undefined` when the parent does not know it. */
export function childNode(parent: SchemaNode, key: string): SchemaNode | undefined {
  switch (parent.kind) {
    case 'object':
      return parent.fields.get(key)?.node ?? (parent.preserveUnknown ? ANY : undefined);
    case 'map':
      return parent.values;
    case 'any':
      return ANY;
    case 'list':
    case 'scalar':
      return undefined;
  }
}
