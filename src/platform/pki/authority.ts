/**
 * A certificate authority of our own and what it issues: server certificates for the hub, client certificates for members.
 *
 * Invariants: everything is P-256 and SHA-256; nothing issued outlives the authority; validity begins five minutes in the
 * past, so that hosts whose clocks differ a little can join; serials are 127 random bits. Leaves out who may be issued a
 * certificate (hub/federation) and keeping the key (a Secret).
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { parseCertificate, type CertificateInfo } from './certificate.ts';
import { exportKeyPem, generateKeys, importKeys, requireAllowedKey } from './certificate-request.ts';
import { encodePem } from './pem.ts';
import { PkiError } from './pki-error.ts';
import { signingAlgorithm, webcrypto, x509 } from './x509-library.ts';

export interface PkiDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'bytes'>;
}

/** A certificate and the private key that belongs to it, both PEM. */
export interface KeyPair {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

export interface Authority {
  /** Self-signed, PEM with a trailing newline. */
  readonly certificatePem: string;
  /** SHA-256 of the certificate's DER, 64 lower-case hex digits: what an invitation pins. */
  readonly fingerprint: string;
  /** PKCS #8 PEM, to be kept in a Secret. */
  readonly keyPem: string;
  /** Server certificate with the authority appended, so that a pinning client sees it in the chain. Makes its own key. */
  issueServerCertificate(request: ServerCertificateRequest): Promise<KeyPair>;
  /** Client certificate for a key that stays with its owner. Returns the leaf alone, PEM. */
  issueClientCertificate(request: ClientCertificateRequest): Promise<string>;
}

export interface ServerCertificateRequest {
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly validityMs: number;
}

export interface ClientCertificateRequest {
  /** SubjectPublicKeyInfo, DER: from `verifyCsr`. */
  readonly publicKeySpki: Uint8Array;
  readonly commonName: string;
  /** From `formatMemberSpiffeId`. Absent for people and tools that are known by their common name. */
  readonly spiffeUri?: string;
  readonly validityMs: number;
  /** Hex; default random. */
  readonly serial?: string;
  /** X.509 organisations (Kubernetes groups); default none. */
  readonly organizations?: readonly string[];
}

const certificateLabel = 'CERTIFICATE';
const skewAllowanceMs = 5 * 60_000;

interface Held {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
  readonly info: CertificateInfo;
  readonly keyPem: string;
}

/** A new self-signed authority. */
export async function createAuthority(
  request: { readonly commonName: string; readonly validityMs: number },
  deps: PkiDeps,
): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(deps.random),
    name: [{ CN: [request.commonName] }],
    ...validity(deps.clock.nowMs(), request.validityMs, Infinity),
    signingAlgorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const info = parseCertificate(new Uint8Array(certificate.rawData));
  return authorityOf({ keys, certificate, info, keyPem: await exportKeyPem(keys.privateKey) }, deps);
}

/** From a Secret. Throws PkiError for a certificate that is no authority or a key that does not belong to it. */
export async function loadAuthority(pair: KeyPair, deps: PkiDeps): Promise<Authority> {
  const info = parseCertificate(pair.certificatePem);
  if (!info.isAuthority) throw new PkiError('UnknownAuthority', `certificate ${info.commonName}: not an authority`);
  const keys = await importKeys(pair.keyPem);
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey);
  const wanted = new X509Certificate(info.pem).publicKey.export({ format: 'der', type: 'spki' });
  if (!Buffer.from(spki).equals(wanted)) {
    throw new PkiError(
      'BadSignature',
      `authority ${info.commonName}: the private key does not belong to the certificate`,
    );
  }
  const certificate = new x509.X509Certificate(info.pem);
  return authorityOf({ keys, certificate, info, keyPem: pair.keyPem }, deps);
}

function authorityOf(held: Held, deps: PkiDeps): Authority {
  return {
    certificatePem: held.info.pem,
    fingerprint: held.info.fingerprint,
    keyPem: held.keyPem,
    issueServerCertificate: async (request) => {
      const keys = await generateKeys();
      const names = [
        ...(request.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
        ...(request.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
      ];
      const leaf = await issue(held, deps, {
        subject: [{ CN: [request.commonName] }],
        publicKey: new x509.PublicKey(await webcrypto.subtle.exportKey('spki', keys.publicKey)),
        validityMs: request.validityMs,
        usage: x509.ExtendedKeyUsage.serverAuth,
        names,
      });
      return { certificatePem: leaf + held.info.pem, keyPem: await exportKeyPem(keys.privateKey) };
    },
    issueClientCertificate: async (request) => {
      requireAllowedKey(request.publicKeySpki);
      const organizations = request.organizations ?? [];
      return issue(held, deps, {
        subject: [{ CN: [request.commonName] }, ...organizations.map((name) => ({ O: [name] }))],
        publicKey: new x509.PublicKey(Uint8Array.from(request.publicKeySpki)),
        validityMs: request.validityMs,
        usage: x509.ExtendedKeyUsage.clientAuth,
        names: request.spiffeUri === undefined ? [] : [{ type: 'url', value: request.spiffeUri }],
        ...(request.serial === undefined ? {} : { serial: request.serial }),
      });
    },
  };
}

interface LeafRequest {
  readonly subject: x509.JsonName;
  readonly publicKey: x509.PublicKey;
  readonly validityMs: number;
  readonly usage: x509.ExtendedKeyUsage;
  readonly names: x509.JsonGeneralNames;
  readonly serial?: string;
}

async function issue(held: Held, deps: PkiDeps, leaf: LeafRequest): Promise<string> {
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([leaf.usage], true),
    await x509.SubjectKeyIdentifierExtension.create(leaf.publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(held.keys.publicKey),
  ];
  if (leaf.names.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(leaf.names));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: leaf.serial ?? newSerial(deps.random),
    subject: leaf.subject,
    issuer: held.certificate.subjectName,
    ...validity(deps.clock.nowMs(), leaf.validityMs, held.info.notAfterMs),
    signingAlgorithm,
    publicKey: leaf.publicKey,
    signingKey: held.keys.privateKey,
    extensions,
  });
  return encodePem(new Uint8Array(certificate.rawData), certificateLabel);
}

function validity(nowMs: number, validityMs: number, latestMs: number): { notBefore: Date; notAfter: Date } {
  if (!(validityMs > 0)) throw new RangeError(`validityMs: ${validityMs} must be above 0`);
  return { notBefore: new Date(nowMs - skewAllowanceMs), notAfter: new Date(Math.min(nowMs + validityMs, latestMs)) };
}

/** Positive, 16 bytes, never zero: what RFC 5280 asks of serials. */
function newSerial(random: Pick<Random, 'bytes'>): string {
  const bytes = Uint8Array.from(random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
