/**
 * Which of two versions of one object is newer. Resource versions of one resource are integers that grow (etcd revisions; the
 * API promises their order since 1.35, and every server in use has kept it before), so that a hub may go on from the answer
 * of its own write and tell a late watch event from news. Versions that are no integers are taken as news always.
 */
const DECIMAL = /^[0-9]{1,19}$/;

/** Is `candidate` older than, or the same as, what is held? */
export function isNoNews(held: string | undefined, candidate: string | undefined): boolean {
  if (held === undefined || candidate === undefined) return false;
  if (held === candidate) return true;
  if (!DECIMAL.test(held) || !DECIMAL.test(candidate)) return false;
  if (held.length !== candidate.length) return candidate.length < held.length;
  return candidate < held;
}
