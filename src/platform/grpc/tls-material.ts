/**
 * The key, certificate chain and trust bundle of one TLS endpoint, replaceable while it runs.
 *
 * Invariants: readers always see one whole set; a listener that throws does not stop the others from hearing of a renewal.
 * Leaves out when to renew.
 */
export interface TlsMaterial {
  /** Leaf first, then the authority. PEM. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Authorities whose clients (or servers) are trusted: a list from day one, PEM. */
  readonly trustBundlePem: string;
}

export interface ReloadableTls {
  current(): TlsMaterial;
  /** New connections use `next` at once; open ones go on. */
  update(next: TlsMaterial): void;
  /** Returns the unsubscribe. */
  subscribe(listener: (material: TlsMaterial) => void): () => void;
}

export function createReloadableTls(initial: TlsMaterial): ReloadableTls {
  let material = initial;
  const listeners = new Set<(material: TlsMaterial) => void>();
  return {
    current: () => material,
    update: (next) => {
      material = next;
      const failures: unknown[] = [];
      for (const listener of listeners) {
        try {
          listener(next);
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0)
        throw new AggregateError(failures, 'TLS material was replaced, but not everyone could take it');
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
