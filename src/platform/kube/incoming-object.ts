/**
 * What an object goes through before it is stored: managedFields dropped, the caller's transform, and freezing on request.
 * Objects come fresh from the JSON parser and belong to nobody else, so dropping is done in place.
 */
import type { Logger } from '../log/logger.ts';
import type { KubeObject } from './object.ts';

export interface IncomingOptions<T> {
  readonly transform?: (object: T) => T;
  readonly freeze?: boolean;
  readonly logger: Logger;
}

/** The object as it is to be stored. A transform that throws leaves the object as it came. */
export function prepareIncoming<T extends KubeObject>(object: T, options: IncomingOptions<T>): T {
  delete (object.metadata as { managedFields?: unknown }).managedFields;
  const transformed = transformOf(object, options);
  return options.freeze === true ? deepFreeze(transformed) : transformed;
}

function transformOf<T extends KubeObject>(object: T, { transform, logger }: IncomingOptions<T>): T {
  if (transform === undefined) return object;
  try {
    return transform(object);
  } catch (error) {
    const { namespace, name } = object.metadata;
    logger.error('a transform threw; the object is stored as it came', { kind: object.kind, namespace, name, error });
    return object;
  }
}

function deepFreeze<V>(value: V): V {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
