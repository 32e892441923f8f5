/**
 * Tells of peers that TLS turned away, which no handler ever sees: somebody knocks with a certificate that is foreign, ended
 * or missing, and the operator should know.
 *
 * The library hides its listeners, so this reaches for them by name: the second place that depends on its insides
 * (grpc/server.test.ts notices a change). Without them nothing is told, and peers are refused all the same. Connections that
 * break off before they show anything (port scans, probes of load balancers) are not told.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Server } from '@grpc/grpc-js';

export interface PeerRefusal {
  readonly why: 'UntrustedCertificate' | 'CertificateExpired' | 'NoCertificate';
  /** `host:port` of the peer. */
  readonly address: string;
}

/** Call it once the server is bound. */
export function watchRefusedPeers(server: Server, tell: (refusal: PeerRefusal) => void): void {
  const { http2Servers } = server as unknown as { readonly http2Servers?: unknown };
  if (!(http2Servers instanceof Map)) return;
  for (const listener of http2Servers.keys() as Iterable<EventEmitter>) {
    // A socket remembers its peer once it was asked; after it was destroyed it is too late.
    listener.on('connection', (socket: Socket) => socket.remoteAddress);
    listener.on('tlsClientError', (error: unknown, socket: TLSSocket) => {
      const why = whyRefused(error, socket);
      if (why !== undefined) tell({ why, address: addressOf(socket) });
    });
  }
}

function whyRefused(error: unknown, socket: TLSSocket): PeerRefusal['why'] | undefined {
  // The types say Error; Node puts the code of the verification there.
  const verification = socket.authorizationError as unknown;
  if (verification === 'CERT_HAS_EXPIRED') return 'CertificateExpired';
  const code = (error as { readonly code?: unknown }).code;
  if (verification === 'UNABLE_TO_GET_ISSUER_CERT' && socket.getPeerX509Certificate() === undefined)
    return 'NoCertificate';
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'NoCertificate';
  return verification === undefined || verification === null ? undefined : 'UntrustedCertificate';
}

/** Of the connection under TLS, which Node hides as well. */
function addressOf(socket: TLSSocket): string {
  const { _parent: under } = socket as TLSSocket & { readonly _parent?: Socket };
  return `${under?.remoteAddress ?? 'unknown'}:${under?.remotePort ?? 0}`;
}
