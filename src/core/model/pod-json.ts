/**
 * Reading raw pod JSON: objects, lists and texts, or a problem with its path. Decides the shape of a problem; values of the
 * tenant are repeated only where they are names, never where they may be secret (env, args).
 */

export type Json = Readonly<Record<string, unknown>>;

export interface PodProblem {
  readonly kind:
    | 'WrongType'
    | 'Missing'
    | 'Duplicate'
    | 'BadQuantity'
    | 'BadResourceName'
    | 'RequestAboveLimit'
    | 'BadSelector'
    | 'BadToleration'
    | 'GpuResource'
    | 'NoSuchContainer';
  /** Such as `spec.template.spec.containers[0].resources.requests.cpu`. */
  readonly path: string;
  readonly message: string;
}

export function problemAt(path: string, kind: PodProblem['kind'], message: string): PodProblem {
  return { kind, path, message };
}

/** The object at `path`; absent or of another type = undefined with a problem. */
export function asObject(value: unknown, path: string, problems: PodProblem[]): Json | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  problems.push(missingOrWrong(value, path, 'an object'));
  return undefined;
}

/** The list at `path`; absent = empty, of another type = empty with a problem. */
export function asList(value: unknown, path: string, problems: PodProblem[]): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  problems.push(missingOrWrong(value, path, 'a list'));
  return [];
}

/** The non-empty text at `path`. */
export function asText(value: unknown, path: string, problems: PodProblem[]): string | undefined {
  if (typeof value === 'string' && value !== '') return value;
  problems.push(missingOrWrong(value === '' ? undefined : value, path, 'a text'));
  return undefined;
}

/** The object at `path`, empty when absent. */
export function optionalObject(value: unknown, path: string, problems: PodProblem[]): Json {
  return value === undefined || value === null ? {} : (asObject(value, path, problems) ?? {});
}

function missingOrWrong(value: unknown, path: string, wanted: string): PodProblem {
  if (value === undefined || value === null) return problemAt(path, 'Missing', 'is required');
  const got = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  return problemAt(path, 'WrongType', `must be ${wanted}, got ${got}`);
}
