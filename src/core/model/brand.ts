/** Nominal types over strings and numbers. */
declare const brand: unique symbol;
/** A string (or number) that only its own parser may make, so that a member's name is never passed for a pool's. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
