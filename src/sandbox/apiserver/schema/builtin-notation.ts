/**
 * Reads the compact notation of built-in types (see the `*-types.ts` files) into schema nodes. A line reads
 *
 *   Name: 1 field! type @key+key ^key %, ...2 Embedded
 *
 * number = protobuf field, `!` required, `[]T` list, `{}T` map, `@a+b` list-map keys, `@@` set, `^key` strategic merge
 * (`^` alone for scalars), `%` retain keys, `=` atomic, `...` Go embedding. Types of other groups carry their prefix.
 */
import {
  ANY,
  type FieldNode,
  type ListType,
  type MergeRules,
  type ObjectNode,
  type ScalarKind,
  type SchemaNode,
} from './schema-node.ts';

const SCALARS: ReadonlySet<string> = new Set<ScalarKind>([
  'string',
  'bool',
  'int32',
  'int64',
  'double',
  'bytes',
  'quantity',
  'time',
  'microtime',
  'duration',
  'intstr',
]);

interface MutableObjectNode {
  kind: 'object';
  definition: string;
  fields: Map<string, FieldNode>;
  embedded: Map<number, MutableObjectNode>;
  preserveUnknown: boolean;
  atomic: boolean;
}

/** Notation by group prefix; `publishedAs` makes the definition name of a type. */
export interface NotationFile {
  readonly prefix: string;
  readonly publishedAs: string;
  readonly text: string;
}

interface Flags {
  readonly keys: readonly string[];
  readonly listType: ListType;
  readonly atomic: boolean;
  readonly merge: MergeRules;
}

function parseFlags(words: readonly string[]): Flags {
  let keys: readonly string[] = [];
  let listType: ListType = 'atomic';
  let atomic = false;
  let patchMerge = false;
  let patchMergeKey = '';
  let retainKeys = false;
  for (const word of words) {
    const rest = word.slice(1);
    if (word === '@@') listType = 'set';
    else if (word.startsWith('@')) {
      listType = 'map';
      keys = rest.split('+');
    } else if (word.startsWith('^')) {
      patchMerge = true;
      patchMergeKey = rest;
    } else if (word === '%') retainKeys = true;
    else if (word === '=') atomic = true;
    else throw new Error(`built-in notation: unknown flag ${word}`);
  }
  const merge = { patchMerge, retainKeys, ...(patchMergeKey === '' ? {} : { patchMergeKey }) };
  return { keys, listType, atomic, merge };
}

/** All built-in types, linked. Cycles between types are allowed. */
export class BuiltinTypes {
  private readonly nodes = new Map<string, MutableObjectNode>();

  constructor(files: readonly NotationFile[]) {
    const bodies: { readonly prefix: string; readonly node: MutableObjectNode; readonly body: string }[] = [];
    for (const file of files) {
      for (const match of file.text.matchAll(/^(\w+)( =)?:((?:.*\n(?:\s+\S.*\n)*))/gm)) {
        const name = match[1] ?? '';
        const node: MutableObjectNode = {
          kind: 'object',
          definition: `${file.publishedAs}.${name}`,
          fields: new Map(),
          embedded: new Map(),
          preserveUnknown: false,
          atomic: match[2] !== undefined,
        };
        this.nodes.set(`${file.prefix}.${name}`, node);
        bodies.push({ prefix: file.prefix, node, body: match[3] ?? '' });
      }
    }
    for (const { prefix, node, body } of bodies) this.fill(prefix, node, body);
    for (const { node } of bodies) this.inline(node);
  }

  /** `name` with its group prefix, e.g. `core.Pod`. */
  object(name: string): ObjectNode {
    return this.made(name);
  }

  private made(name: string): MutableObjectNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`built-in notation: unknown type ${name}`);
    return node;
  }

  find(name: string): ObjectNode | undefined {
    return this.nodes.get(name);
  }

  all(): IterableIterator<ObjectNode> {
    return this.nodes.values();
  }

  private fill(prefix: string, node: MutableObjectNode, body: string): void {
    for (const part of body.split(',')) {
      const [number = '', name = '', ...rest] = part.trim().split(/\s+/);
      if (number === '') continue;
      if (number.startsWith('...')) {
        node.embedded.set(Number(number.slice(3)), this.made(this.qualified(prefix, name)));
        continue;
      }
      const [type = '', ...flagWords] = rest;
      const flags = parseFlags(flagWords);
      node.fields.set(name.replace('!', ''), {
        node: this.type(prefix, type, flags),
        required: name.endsWith('!'),
        merge: flags.merge,
        number: Number(number),
      });
    }
  }

  /** Embedded messages' members belong to the object itself in JSON, through several levels too. */
  private inline(node: MutableObjectNode): void {
    for (const embedded of node.embedded.values()) {
      this.inline(embedded);
      for (const [name, field] of embedded.fields) {
        if (!node.fields.has(name)) node.fields.set(name, { ...field, number: 0 });
      }
    }
  }

  private type(prefix: string, text: string, flags: Flags): SchemaNode {
    if (text.startsWith('[]')) {
      const items = this.type(prefix, text.slice(2), parseFlags([]));
      return { kind: 'list', items, listType: flags.listType, keys: flags.keys };
    }
    if (text.startsWith('{}')) {
      return { kind: 'map', values: this.type(prefix, text.slice(2), parseFlags([])), atomic: flags.atomic };
    }
    if (SCALARS.has(text)) return { kind: 'scalar', scalar: text as ScalarKind };
    if (text === 'any' || text === 'object' || text === 'json') return ANY;
    const target = this.object(this.qualified(prefix, text));
    return flags.atomic && !target.atomic ? { ...target, atomic: true } : target;
  }

  private qualified(prefix: string, name: string): string {
    return name.includes('.') ? name : `${prefix}.${name}`;
  }
}
