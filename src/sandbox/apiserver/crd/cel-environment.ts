/**
 * The CEL dialect of validation rules: the standard language by cel-js plus those of Kubernetes' own libraries that rules
 * in the field use (quantities, lists, strings, URLs). Integers are BigInt everywhere.
 */
import { Environment } from '@marcbachmann/cel-js';
import { canonicalQuantity, parseQuantity, type Quantity } from '../schema/quantity.ts';

class CelQuantity {
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }
}

type Comparable = bigint | number | string;

const NANO = 1_000_000_000n;

function quantityOf(text: string): CelQuantity {
  const quantity = parseQuantity(text);
  if (quantity === undefined) {
    throw new Error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  }
  return new CelQuantity(quantity);
}

function order(a: CelQuantity, b: CelQuantity): bigint {
  return a.quantity.nano < b.quantity.nano ? -1n : a.quantity.nano > b.quantity.nano ? 1n : 0n;
}

function combine(a: CelQuantity, b: CelQuantity | bigint, sign: bigint): CelQuantity {
  const other = typeof b === 'bigint' ? b * NANO : b.quantity.nano;
  return new CelQuantity({ ...a.quantity, nano: a.quantity.nano + sign * other });
}

function registerQuantities(env: Environment): void {
  env.registerType('Quantity', CelQuantity);
  env.registerFunction('quantity(string): Quantity', quantityOf);
  env.registerFunction('isQuantity(string): bool', (text: string) => parseQuantity(text) !== undefined);
  env.registerFunction('Quantity.isGreaterThan(Quantity): bool', (a: CelQuantity, b: CelQuantity) => order(a, b) > 0n);
  env.registerFunction('Quantity.isLessThan(Quantity): bool', (a: CelQuantity, b: CelQuantity) => order(a, b) < 0n);
  env.registerFunction('Quantity.compareTo(Quantity): int', order);
  env.registerFunction('Quantity.isInteger(): bool', (a: CelQuantity) => a.quantity.nano % NANO === 0n);
  env.registerFunction('Quantity.asInteger(): int', (a: CelQuantity) => a.quantity.nano / NANO);
  env.registerFunction('Quantity.asApproximateFloat(): double', (a: CelQuantity) => Number(a.quantity.nano) / 1e9);
  env.registerFunction('Quantity.sign(): int', (a: CelQuantity) =>
    a.quantity.nano === 0n ? 0n : a.quantity.nano < 0n ? -1n : 1n,
  );
  env.registerFunction('Quantity.add(Quantity): Quantity', (a: CelQuantity, b: CelQuantity) => combine(a, b, 1n));
  env.registerFunction('Quantity.add(int): Quantity', (a: CelQuantity, b: bigint) => combine(a, b, 1n));
  env.registerFunction('Quantity.sub(Quantity): Quantity', (a: CelQuantity, b: CelQuantity) => combine(a, b, -1n));
  env.registerFunction('Quantity.sub(int): Quantity', (a: CelQuantity, b: bigint) => combine(a, b, -1n));
  env.registerFunction('string(Quantity): string', (a: CelQuantity) => canonicalQuantity(a.quantity));
}

function extreme(items: readonly Comparable[], better: (a: Comparable, b: Comparable) => boolean): Comparable {
  const [first, ...rest] = items;
  if (first === undefined) throw new Error('min or max called on empty list');
  return rest.reduce((best, item) => (better(item, best) ? item : best), first);
}

function sum(items: readonly (bigint | number)[]): bigint | number {
  return items.reduce((total, item) => (typeof item === 'bigint' ? BigInt(total) + item : Number(total) + item), 0n);
}

function sameCel(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a, bigText) === JSON.stringify(b, bigText);
}

function bigText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

function registerLists(env: Environment): void {
  env.registerFunction('list.isSorted(): bool', (items: readonly Comparable[]) =>
    items.every((item, i) => i === 0 || (items[i - 1] ?? item) <= item),
  );
  env.registerFunction('list.sum(): dyn', sum);
  env.registerFunction('list.min(): dyn', (items: readonly Comparable[]) => extreme(items, (a, b) => a < b));
  env.registerFunction('list.max(): dyn', (items: readonly Comparable[]) => extreme(items, (a, b) => a > b));
  env.registerFunction('list.indexOf(dyn): int', (items: readonly unknown[], wanted: unknown) =>
    BigInt(items.findIndex((item) => sameCel(item, wanted))),
  );
  env.registerFunction('list.lastIndexOf(dyn): int', (items: readonly unknown[], wanted: unknown) => {
    for (let i = items.length - 1; i >= 0; i--) if (sameCel(items[i], wanted)) return BigInt(i);
    return -1n;
  });
  env.registerFunction('list.distinct(): list', (items: readonly unknown[]) =>
    items.filter((item, i) => items.findIndex((other) => sameCel(other, item)) === i),
  );
}

function registerStrings(env: Environment): void {
  env.registerFunction('string.charAt(int): string', (text: string, at: bigint) => text.charAt(Number(at)));
  env.registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
    text.split(from).join(to),
  );
  env.registerFunction(
    'string.find(string): string',
    (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? '',
  );
  env.registerFunction('string.findAll(string): list<string>', (text: string, pattern: string) => [
    ...(text.match(new RegExp(pattern, 'g')) ?? []),
  ]);
  env.registerFunction('isURL(string): bool', (text: string) => URL.canParse(text));
  env.registerFunction(
    'isIP(string): bool',
    (text: string) => /^(\d{1,3}\.){3}\d{1,3}$/.test(text) || /^[0-9a-f:]+$/i.test(text),
  );
}

function createEnvironment(oldSelf: string): Environment {
  const env = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false });
  env.registerVariable('self', 'dyn');
  env.registerVariable('oldSelf', oldSelf);
  registerQuantities(env);
  registerLists(env);
  registerStrings(env);
  return env;
}

const environments = new Map<boolean, Environment>();

/** Rules see `self` and, in transitions, `oldSelf`: a value, or an optional one where the rule says so. */
export function celEnvironment(optionalOldSelf = false): Environment {
  let env = environments.get(optionalOldSelf);
  if (env === undefined) {
    env = createEnvironment(optionalOldSelf ? 'optional<dyn>' : 'dyn');
    environments.set(optionalOldSelf, env);
  }
  return env;
}
