/** JSON bytes of stored objects, made once per object: stored objects never change, so their bytes cannot either. */
import type { ApiObject } from '../json-value.ts';

const cache = new WeakMap<ApiObject, Buffer>();

export function serialized(object: ApiObject): Buffer {
  let bytes = cache.get(object);
  if (bytes === undefined) {
    bytes = Buffer.from(JSON.stringify(object));
    cache.set(object, bytes);
  }
  return bytes;
}
