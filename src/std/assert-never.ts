/** Fails when a union member was not handled: the compiler proves this call unreachable. */
export function assertNever(value: never, what = 'value'): never {
  throw new Error(`unreachable: unhandled ${what} ${JSON.stringify(value)}`);
}
