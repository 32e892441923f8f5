/** `host:port` as people write it: names, IPv4, and IPv6 in brackets. */

export interface DialAddress {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Throws TypeError naming the address and what is allowed. */
export function parseAddress(address: string): DialAddress {
  const [, v6, name, portText] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = v6 ?? name;
  const port = Number(portText);
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new TypeError(
      `address: ${JSON.stringify(address)} is not host:port or [IPv6]:port with a port from 1 to 65535`,
    );
  }
  return { host, port };
}
