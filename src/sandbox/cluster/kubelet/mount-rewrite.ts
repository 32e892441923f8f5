/**
 * Stands in for a mount namespace: a path under a mount is replaced by the real folder behind it.
 *
 * Invariants: only a text that equals a mount path or starts with `mountPath/` changes; the longest mount path wins. Paths
 * inside longer texts (a shell script given as an argument) are not touched: such scripts use $LUMBUNG_SANDBOX_ROOT, under
 * which every mount path exists too.
 */
export interface MountPoint {
  /** As the pod names it, e.g. `/data`. */
  readonly mountPath: string;
  /** Where it is on this machine. */
  readonly realPath: string;
}

/** A rewriter for texts of a container: command, arguments, values of variables, working folder. */
export function pathRewriter(mounts: readonly MountPoint[]): (text: string) => string {
  const ordered = mounts
    .map(({ mountPath, realPath }) => ({ mountPath: withoutTrailingSlash(mountPath), realPath }))
    .filter(({ mountPath }) => mountPath.startsWith('/') && mountPath !== '/')
    .sort((a, b) => b.mountPath.length - a.mountPath.length);
  return (text) => {
    if (!text.startsWith('/')) return text;
    for (const { mountPath, realPath } of ordered) {
      if (text === mountPath) return realPath;
      if (text.startsWith(`${mountPath}/`)) return `${realPath}${text.slice(mountPath.length)}`;
    }
    return text;
  };
}

function withoutTrailingSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
