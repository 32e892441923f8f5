/** Fields that are there: with exact optional properties an absent field and an undefined one are not the same. */
export type Given<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields of `fields` whose value is not undefined. */
export function given<T extends object>(fields: T): Given<T> {
  const there: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) there[name] = value;
  return there as Given<T>;
}
