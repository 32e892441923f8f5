/**
 * Reading DER (X.690), as far as certificates need it. Strict: definite lengths in their shortest form, nothing behind an
 * element, tags of one byte. Anything else is a DerError; nothing is ever read past the end.
 */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export interface DerElement {
  readonly tag: number;
  readonly body: Uint8Array;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  objectId: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The elements that fill `bytes` exactly. */
export function readAll(bytes: Uint8Array): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = byteAt(bytes, at);
    if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of more than one byte');
    const { length, start } = readLength(bytes, at + 1);
    if (start + length > bytes.length) throw new DerError('an element that ends behind its container');
    elements.push({ tag, body: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

/** The one element that fills `bytes`, of this tag. */
export function readOne(bytes: Uint8Array, tag: number): Uint8Array {
  const [element, ...others] = readAll(bytes);
  if (others.length > 0) throw new DerError('more than one element');
  return bodyOf(element, tag);
}

/** The body of an element that must be there and of this tag. */
export function bodyOf(element: DerElement | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag) throw new DerError(`tag ${tag} is not where it must be`);
  return element.body;
}

/** A sequence's elements. */
export function readSequence(element: DerElement | undefined): readonly DerElement[] {
  return readAll(bodyOf(element, TAG.sequence));
}

function readLength(bytes: Uint8Array, at: number): { readonly length: number; readonly start: number } {
  const first = byteAt(bytes, at);
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 3) throw new DerError('a length of no definite or of too many bytes');
  let length = 0;
  for (let i = 1; i <= count; i += 1) length = length * 256 + byteAt(bytes, at + i);
  const shortest = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
  if (shortest !== count) throw new DerError('a length that is not in its shortest form');
  return { length, start: at + 1 + count };
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new DerError('an end in the middle of an element');
  return byte;
}
