/**
 * Vectors of requested or free resources. `cpu` counts in milli-CPU, everything else in whole base units (bytes,
 * devices, pods). Integers only: the scheduler compares and adds, and must give the same bytes everywhere.
 * Amounts stay within 2^53 (9 PB of memory), so plain numbers are exact.
 */
export type Resources = Readonly<Record<string, number>>;

export const NO_RESOURCES: Resources = {};

export function addResources(a: Resources, b: Resources, times = 1): Resources {
  const sum: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + amount * times;
  return sum;
}

export function subtractResources(a: Resources, b: Resources, times = 1): Resources {
  return addResources(a, b, -times);
}

/** How many times `request` fits into `free`. A resource that `free` does not list is 0. Infinity for an empty request. */
export function timesFitting(free: Resources, request: Resources): number {
  let times = Number.POSITIVE_INFINITY;
  for (const [name, amount] of Object.entries(request)) {
    if (amount <= 0) continue;
    times = Math.min(times, Math.max(0, Math.floor((free[name] ?? 0) / amount)));
  }
  return times;
}

/** The first resource (by name) of which `free` has less than `request`, or undefined when all fit. */
export function firstShortage(
  free: Resources,
  request: Resources,
): { readonly resource: string; readonly need: number; readonly have: number } | undefined {
  for (const name of Object.keys(request).sort()) {
    const need = request[name] ?? 0;
    const have = free[name] ?? 0;
    if (need > have) return { resource: name, need, have };
  }
  return undefined;
}
