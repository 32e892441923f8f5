/**
 * Repeatable randomness for simulations and tests: one seed gives one history. Not for secrets.
 *
 * The generator is sfc32 (128 bits of state, passes the usual batteries), seeded by hashing the seed's text, so that
 * neighbouring seeds give unrelated streams.
 */
import type { Random } from './random.ts';

export interface SeededRandom extends Random {
  /** An independent stream named `label`: adding a consumer does not shift what the others draw. */
  fork(label: string): SeededRandom;
}

/** The same `seed` gives the same numbers, bytes and uuids in the same order, on every machine. */
export function seededRandom(seed: number | string): SeededRandom {
  const draw = sfc32(seedWords(String(seed)));
  const bytes = (count: number): Uint8Array => {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i += 1) out[i] = draw() >>> 24;
    return out;
  };
  return {
    next: () => (draw() * 0x20_0000 + (draw() >>> 11)) / 2 ** 53,
    bytes,
    uuid: () => uuidFrom(bytes(16)),
    fork: (label) => seededRandom(`${String(seed)}/${label}`),
  };
}

/** Four 32-bit words from text, by FNV-1a with a different start per word and a final mix. */
function seedWords(text: string): [number, number, number, number] {
  const word = (start: number): number => {
    let hash = start >>> 0;
    for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b) >>> 0;
    return (hash ^ (hash >>> 13)) >>> 0;
  };
  return [word(0x811c_9dc5), word(0x1234_5678), word(0x9e37_79b9), word(0x5bd1_e995)];
}

function sfc32([a0, b0, c0, d0]: [number, number, number, number]): () => number {
  let a = a0;
  let b = b0;
  let c = c0;
  let counter = d0;
  const draw = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 16; i += 1) draw();
  return draw;
}

function uuidFrom(bytes: Uint8Array): string {
  const copy = Uint8Array.from(bytes);
  copy[6] = ((copy[6] ?? 0) & 0x0f) | 0x40;
  copy[8] = ((copy[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...copy].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
