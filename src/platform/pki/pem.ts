/**
 * PEM texts: splitting, joining, wrapping.
 *
 * Invariant: every text that leaves here ends with a newline, because OpenSSL silently ignores what follows an END line
 * without one. Sizes are bounded, since such texts come from the network.
 */
import { PkiError } from './pki-error.ts';

const longestPem = 256 * 1024;
const block = /-----BEGIN ([A-Z0-9 ]{1,40})-----\s*([A-Za-z0-9+/=\s]+?)-----END \1-----/g;

/** DER of every block with this label, in order. Other blocks are passed over. */
export function decodePem(pem: string, label: string): readonly Uint8Array[] {
  if (pem.length > longestPem) {
    throw new PkiError('Malformed', `PEM text of ${pem.length} characters, at most ${longestPem} are allowed`);
  }
  const found: Uint8Array[] = [];
  for (const [, name, body = ''] of pem.matchAll(block)) {
    if (name === label) found.push(Buffer.from(body, 'base64'));
  }
  return found;
}

/** The only block with this label; anything else is `Malformed`. */
export function decodeOnePem(pem: string, label: string, what: string): Uint8Array {
  const [der, ...others] = decodePem(pem, label);
  if (der === undefined) throw new PkiError('Malformed', `${what}: no PEM block ${label}`);
  if (others.length > 0)
    throw new PkiError('Malformed', `${what}: ${others.length + 1} PEM blocks ${label}, one is allowed`);
  return der;
}

/** PEM with 64 characters a line and a trailing newline. */
export function encodePem(der: Uint8Array, label: string): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
