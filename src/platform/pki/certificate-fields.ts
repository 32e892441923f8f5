/**
 * Names, validity and serial number of an X.509 certificate (RFC 5280), read from its DER.
 *
 * Read by ourselves so that programs which only check certificates do not carry the library that issues them; everything here
 * is held against that library in tests. Invariants: names come from the extension itself, never from a printed form; an
 * extension that occurs twice, and a name with bytes that its type does not allow, make the certificate unreadable.
 */
import { bodyOf, DerError, readAll, readOne, readSequence, TAG, type DerElement } from './der-reader.ts';

export interface CertificateFields {
  readonly commonName: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Lower-case hex. */
  readonly serial: string;
}

const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;
/** GeneralName's choices, implicitly tagged. */
const GENERAL_NAME = { dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const STRINGS: Readonly<Record<number, 'utf8' | 'latin1'>> = {
  0x0c: 'utf8',
  0x13: 'latin1',
  0x14: 'latin1',
  0x16: 'latin1',
};

/** Throws DerError. */
export function readCertificateFields(der: Uint8Array): CertificateFields {
  const [tbs] = readAll(readOne(der, TAG.sequence));
  const parts = readSequence(tbs);
  const [serial, , , validity, subject, , ...rest] = parts[0]?.tag === VERSION_TAG ? parts.slice(1) : parts;
  const [notBefore, notAfter] = readSequence(validity);
  return {
    commonName: readCommonName(subject),
    ...readAltNames(rest.find((part) => part.tag === EXTENSIONS_TAG)),
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    serial: hex(bodyOf(serial, TAG.integer)),
  };
}

/** The first common name; empty when there is none. */
function readCommonName(subject: DerElement | undefined): string {
  for (const set of readSequence(subject)) {
    for (const attribute of readAll(bodyOf(set, TAG.set))) {
      const [type, value] = readSequence(attribute);
      if (hex(bodyOf(type, TAG.objectId)) === COMMON_NAME) return readText(value);
    }
  }
  return '';
}

function readText(value: DerElement | undefined): string {
  const encoding = value === undefined ? undefined : STRINGS[value.tag];
  if (value === undefined || encoding === undefined) throw new DerError('a name of an unknown string type');
  return encoding === 'utf8' ? utf8(value.body) : Buffer.from(value.body).toString('latin1');
}

type AltNames = Pick<CertificateFields, 'uris' | 'dnsNames' | 'ipAddresses'>;

function readAltNames(extensions: DerElement | undefined): AltNames {
  if (extensions === undefined) return { uris: [], dnsNames: [], ipAddresses: [] };
  const seen = new Set<string>();
  let names: readonly DerElement[] = [];
  for (const extension of readAll(readOne(extensions.body, TAG.sequence))) {
    const parts = readSequence(extension);
    const id = hex(bodyOf(parts[0], TAG.objectId));
    if (seen.has(id)) throw new DerError('an extension that occurs twice');
    seen.add(id);
    if (id !== SUBJECT_ALT_NAME) continue;
    names = readAll(readOne(bodyOf(parts.at(-1), TAG.octetString), TAG.sequence));
  }
  const ofType = (tag: number): readonly Uint8Array[] =>
    names.filter((name) => name.tag === tag).map(({ body }) => body);
  return {
    uris: ofType(GENERAL_NAME.uri).map(ascii),
    dnsNames: ofType(GENERAL_NAME.dns).map(ascii),
    ipAddresses: ofType(GENERAL_NAME.ip).map(ipAddress),
  };
}

/** UTCTime (two-digit years from 1950) or GeneralizedTime, both in UTC to the second, as RFC 5280 demands. */
function readTime(time: DerElement | undefined): number {
  if (time === undefined) throw new DerError('a validity without both times');
  const digits = time.tag === TAG.utcTime ? withCentury(ascii(time.body)) : ascii(bodyOf(time, TAG.generalizedTime));
  const iso = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const ms = iso === digits ? Number.NaN : Date.parse(iso);
  if (Number.isNaN(ms)) throw new DerError('a time that cannot be read');
  return ms;
}

function withCentury(digits: string): string {
  return `${Number(digits.slice(0, 2)) < 50 ? '20' : '19'}${digits}`;
}

function ipAddress(body: Uint8Array): string {
  if (body.length === 4) return body.join('.');
  if (body.length !== 16) throw new DerError('an IP address of neither 4 nor 16 bytes');
  const groups = Array.from({ length: 8 }, (_, i) => (((body[2 * i] ?? 0) << 8) | (body[2 * i + 1] ?? 0)).toString(16));
  // The URL parser writes IPv6 in its one canonical form.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

function ascii(body: Uint8Array): string {
  if (body.some((byte) => byte < 0x20 || byte > 0x7e))
    throw new DerError('a name with bytes that are no printable ASCII');
  return Buffer.from(body).toString('latin1');
}

function utf8(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new DerError('a name that is no UTF-8');
  }
}

function hex(body: Uint8Array): string {
  return Buffer.from(body).toString('hex');
}
