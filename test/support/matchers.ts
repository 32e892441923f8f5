/** Asymmetric matchers with a type, for the typed lint. */
import { expect } from 'vitest';

/** Any text that contains `part`. */
export function textWith(part: string): unknown {
  return expect.stringContaining(part);
}
