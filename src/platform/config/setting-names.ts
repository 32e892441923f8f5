/** How a setting's key looks as a flag and as an environment variable. One rule, so that nobody has to look names up. */

/** `listenPort` -> `listen-port`. */
export function flagOf(key: string): string {
  return words(key).join('-');
}

/** `listenPort` -> `LUMBUNG_LISTEN_PORT`. */
export function variableOf(key: string, prefix: string): string {
  return prefix + words(key).join('_').toUpperCase();
}

function words(key: string): readonly string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split('-');
}
