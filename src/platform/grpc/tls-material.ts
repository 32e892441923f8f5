/**
 * The key, certificate chain and trust bundle of one TLS endpoint, replaceable while it runs.
 *
 * Invariants: readers always see one whole set that TLS can use: material whose parts do not fit is refused and the old set
 * stays; a listener that throws does not keep the others from hearing of a renewal. Leaves out when to renew.
 */
import { createSecureContext } from 'node:tls';
import { PkiError } from '../pki/pki-error.ts';

export interface TlsMaterial {
  /** Leaf first, then the authority. PEM. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Authorities whose clients (or servers) are trusted: a list from day one, PEM. */
  readonly trustBundlePem: string;
}

export interface ReloadableTls {
  current(): TlsMaterial;
  /** New connections use `next` at once; open ones go on. Throws PkiError `Malformed` for material that does not fit. */
  update(next: TlsMaterial): void;
  /** Returns the unsubscribe. */
  subscribe(listener: (material: TlsMaterial) => void): () => void;
}

/** Throws PkiError `Malformed` if `initial` cannot be used. */
export function createReloadableTls(initial: TlsMaterial): ReloadableTls {
  requireUsable(initial);
  let material = initial;
  const listeners = new Set<(material: TlsMaterial) => void>();
  return {
    current: () => material,
    update: (next) => {
      requireUsable(next);
      material = next;
      notifyAll(listeners, next);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function requireUsable(material: TlsMaterial): void {
  try {
    createSecureContext({ cert: material.certificatePem, key: material.keyPem, ca: material.trustBundlePem });
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code;
    // OpenSSL's message may quote what it was given; its code says which part does not fit.
    throw new PkiError(
      'Malformed',
      `TLS material cannot be used: ${typeof code === 'string' ? code : 'unknown reason'}`,
    );
  }
}

function notifyAll(listeners: ReadonlySet<(material: TlsMaterial) => void>, next: TlsMaterial): void {
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
}
