/**
 * TLS of a gRPC server: version 1.3 only, client certificates required or not asked for, material replaceable.
 *
 * The library's own credentials offer neither a minimum version nor replacement outside `experimental`, so this extends its
 * base class: the one place that depends on how the library hands credentials to its listener (grpc/server.test.ts notices
 * a change). Session tickets are off: a resumed session would skip the check of the client's certificate against a bundle
 * that has changed meanwhile.
 */
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { ReloadableTls, TlsMaterial } from './tls-material.ts';

export class ReloadableServerCredentials extends ServerCredentials {
  private readonly tls: ReloadableTls;
  private readonly requireClient: boolean;
  private unsubscribe: (() => void) | undefined;

  constructor(tls: ReloadableTls, requireClient: boolean) {
    super(
      { requestCert: requireClient, rejectUnauthorized: requireClient, minVersion: 'TLSv1.3' },
      contextOf(tls.current(), requireClient),
    );
    this.tls = tls;
    this.requireClient = requireClient;
  }

  /** From here on the listener follows the material. */
  follow(): void {
    this.unsubscribe ??= this.tls.subscribe((material) => {
      this.updateSecureContextOptions(contextOf(material, this.requireClient));
    });
    this.updateSecureContextOptions(contextOf(this.tls.current(), this.requireClient));
  }

  unfollow(): void {
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf(material: TlsMaterial, requireClient: boolean): SecureContextOptions {
  return {
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
    cert: material.certificatePem,
    key: material.keyPem,
    ...(requireClient ? { ca: material.trustBundlePem } : {}),
  };
}
