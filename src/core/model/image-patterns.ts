/**
 * Which images the owner allows. Decides how a reference and a pattern are spelled out before they are compared.
 *
 * Invariants: both sides are normalised as container runtimes do (`python` is `docker.io/library/python:latest`), so that
 * no other spelling of an image slips through. The registry host is compared with the pattern's host alone, the rest with
 * the rest: a `*` in a host never reaches into a path. A pattern that names neither tag nor digest means every one of that
 * repository. What cannot be read as a reference is allowed by no pattern.
 */

const DEFAULT_HOST = 'docker.io';
const DIGEST = /@sha256:[0-9a-f]{64}$/;
/** Repository with optional tag and digest; the host is already cut off. */
const REST =
  /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@[a-z0-9+.]+:[0-9a-f]{32,128})?$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const LONGEST = 1024;

export interface ImageReference {
  /** Registry host with its port. */
  readonly host: string;
  /** Repository, tag and digest: `team/tool:1@sha256:...`; a reference without both has `:latest`. */
  readonly rest: string;
}

/** The full form of a reference; undefined when it is none. */
export function normaliseImage(image: string): ImageReference | undefined {
  if (image.length > LONGEST) return undefined;
  const { host, rest } = splitHost(image);
  const repository = host === DEFAULT_HOST && !rest.includes('/') ? `library/${rest}` : rest;
  if (!HOST.test(host) || !REST.test(repository)) return undefined;
  return { host: host.toLowerCase(), rest: namesVersion(repository) ? repository : `${repository}:latest` };
}

/** Whether the reference carries a sha256 digest. */
export function hasDigest(image: string): boolean {
  return DIGEST.test(image);
}

/** Whether any pattern allows the image. */
export function imageAllowed(image: string, patterns: readonly string[]): boolean {
  const reference = normaliseImage(image);
  return reference !== undefined && patterns.some((pattern) => matches(reference, pattern));
}

function matches(reference: ImageReference, pattern: string): boolean {
  if (/^\*+$/.test(pattern)) return true;
  const { host, rest } = splitHost(pattern);
  if (!globMatches(reference.host, host.toLowerCase())) return false;
  const repository = host === DEFAULT_HOST && !rest.includes('/') && !rest.startsWith('*') ? `library/${rest}` : rest;
  if (repository.endsWith('*') || namesVersion(repository)) return globMatches(reference.rest, repository);
  return globMatches(reference.rest, repository) || globMatches(repositoryOf(reference.rest), repository);
}

/** The part before the first slash is a host if it looks like one, as container runtimes decide it. */
function splitHost(text: string): { readonly host: string; readonly rest: string } {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isHost = first === 'localhost' || /[.:*]/.test(first);
  if (!isHost) return { host: DEFAULT_HOST, rest: text };
  const rest = text.slice(slash + 1);
  return first === 'index.docker.io' ? { host: DEFAULT_HOST, rest } : { host: first, rest };
}

function namesVersion(rest: string): boolean {
  return rest.includes('@') || rest.slice(rest.lastIndexOf('/') + 1).includes(':');
}

function repositoryOf(rest: string): string {
  const undigested = rest.split('@')[0] ?? rest;
  const colon = undigested.indexOf(':', undigested.lastIndexOf('/') + 1);
  return colon < 0 ? undigested : undigested.slice(0, colon);
}

/** `*` stands for any characters. At most text x pattern steps: it goes back to its last star alone. */
export function globMatches(text: string, pattern: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let p = 0;
  while (at < text.length) {
    if (pattern[p] === '*') {
      star = p;
      resume = at;
      p += 1;
    } else if (pattern[p] === text[at]) {
      p += 1;
      at += 1;
    } else if (star >= 0) {
      p = star + 1;
      resume += 1;
      at = resume;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
