/**
 * Validation problems of one object, worded as field.Error does, and the `Invalid` answer made of them.
 * Values appear as the real server prints them: strings quoted, objects as JSON.
 */
import type { Json } from './json-value.ts';
import { ApiError } from './status-error.ts';

export interface FieldError {
  readonly field: string;
  readonly reason: string;
  /** Without the field path. */
  readonly message: string;
}

/** What a kind is called in an `Invalid` answer. */
export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

function shown(value: Json | undefined): string {
  if (value === undefined || value === null) return 'null';
  return JSON.stringify(value);
}

export function invalidValue(field: string, value: Json | undefined, detail: string): FieldError {
  const suffix = detail === '' ? '' : `: ${detail}`;
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${shown(value)}${suffix}` };
}

/** For values too large to repeat. */
export function invalidWithout(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${detail}` };
}

export function typeInvalid(field: string, value: Json | undefined, detail: string): FieldError {
  return { field, reason: 'FieldValueTypeInvalid', message: `Invalid value: ${shown(value)}: ${detail}` };
}

export function required(field: string, detail = ''): FieldError {
  return {
    field,
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  };
}

export function unsupported(field: string, value: Json | undefined, allowed: readonly Json[]): FieldError {
  const list = allowed.map((item) => (typeof item === 'string' ? `"${item}"` : JSON.stringify(item))).join(', ');
  return {
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${shown(value)}: supported values: ${list}`,
  };
}

export function duplicate(field: string, value: Json | undefined): FieldError {
  return { field, reason: 'FieldValueDuplicate', message: `Duplicate value: ${shown(value)}` };
}

export function fieldForbidden(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', message: `Forbidden: ${detail}` };
}

export function tooLong(field: string, maxBytes: number): FieldError {
  const bytes = maxBytes === 1 ? '1 byte' : `${maxBytes} bytes`;
  return { field, reason: 'FieldValueTooLong', message: `Too long: may not be more than ${bytes}` };
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  const items = max === 1 ? '1 item' : `${max} items`;
  return { field, reason: 'FieldValueTooMany', message: `Too many: ${actual}: must have at most ${items}` };
}

export function fieldNotFound(field: string, value: Json | undefined): FieldError {
  return { field, reason: 'FieldValueNotFound', message: `Not found: ${shown(value)}` };
}

/** 422. Identical problems are told once. */
export function invalidObject(kind: GroupKind, name: string, errors: readonly FieldError[]): ApiError {
  const texts = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  const target = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const list = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${target} "${name}" is invalid: ${list}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    kind: kind.kind,
    causes: errors.map((error) => ({ reason: error.reason, message: error.message, field: error.field })),
  });
}

/** Throws when there is anything to say. */
export function refuseInvalid(kind: GroupKind, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidObject(kind, name, errors);
}
