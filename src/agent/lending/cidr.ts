/** Whether a text is a network range in CIDR form: what CEL in the CRD cannot see. */

/** IPv4 or IPv6 address, slash, prefix length within the family's bounds. */
export function isCidr(text: string): boolean {
  const [address = '', length = '', ...rest] = text.split('/');
  if (rest.length > 0 || !/^[0-9]{1,3}$/.test(length)) return false;
  if (address.includes(':')) return isIpv6(address) && Number(length) <= 128;
  return isIpv4(address) && Number(length) <= 32;
}

function isIpv4(address: string): boolean {
  const octets = address.split('.');
  return octets.length === 4 && octets.every((octet) => /^(0|[1-9][0-9]{0,2})$/.test(octet) && Number(octet) <= 255);
}

function isIpv6(address: string): boolean {
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1) ?? '';
  const embedsIpv4 = last.includes('.');
  if (embedsIpv4 && !isIpv4(last)) return false;
  const words = embedsIpv4 ? groups.slice(0, -1) : groups;
  const count = words.length + (embedsIpv4 ? 2 : 0);
  return words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word)) && (halves.length === 2 ? count < 8 : count === 8);
}
