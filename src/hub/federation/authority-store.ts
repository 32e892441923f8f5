/**
 * Keeps the hub's certificate authority in a Secret of the hub's own namespace, and the server certificate that it issues
 * in memory. The trust bundle is a list from day one: during a rotation it holds the old authority and the new one.
 *
 * Invariants: of two replicas that start at once one creates the Secret and the other uses it; key material is in the
 * Secret and in memory, nowhere else. Renews the server certificate at half its life without touching open streams.
 */
import { secrets } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isAlreadyExists, isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import { createReloadableTls, type ReloadableTls } from '../../platform/grpc/tls-material.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { createAuthority, loadAuthority, type Authority } from '../../platform/pki/authority.ts';
import { joinBundles } from '../../platform/pki/certificate.ts';

const dayMs = 86_400_000;
const authorityValidityMs = 3650 * dayMs;
const serverValidityMs = 30 * dayMs;

export const AUTHORITY_SECRET = 'lumbung-hub-ca';

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface AuthorityStoreDeps {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Names and addresses that agents dial. */
  readonly serverNames: { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface AuthorityStore {
  readonly authority: Authority;
  /** PEM, the issuing authority first. */
  readonly trustBundle: readonly string[];
  readonly tls: ReloadableTls;
  /** Cancels the renewal timer. */
  stop(): void;
}

/** Loads the authority, or makes and keeps a new one; issues the server certificate. */
export async function openAuthorityStore(deps: AuthorityStoreDeps): Promise<AuthorityStore> {
  const secret = await readOrCreate(deps);
  const certificatePem = decode(secret, 'tls.crt');
  const authority = await loadAuthority({ certificatePem, keyPem: decode(secret, 'tls.key') }, deps);
  const retired = secret.data?.['retired.crt'] === undefined ? [] : [decode(secret, 'retired.crt')];
  const trustBundle = [certificatePem, ...retired];
  const tls = createReloadableTls(await issue(authority, trustBundle, deps));
  let timer: Timer | undefined;
  let stopped = false;
  const renewLater = (delayMs: number): void => {
    if (stopped) return;
    timer = deps.clock.after(delayMs, () => {
      issue(authority, trustBundle, deps).then(
        (material) => {
          tls.update(material);
          deps.logger.info('server certificate renewed');
          renewLater(serverValidityMs / 2);
        },
        (error: unknown) => {
          deps.logger.error('server certificate not renewed; trying again in a minute', { error });
          renewLater(60_000);
        },
      );
    });
  };
  renewLater(serverValidityMs / 2);
  return {
    authority,
    trustBundle,
    tls,
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}

async function issue(
  authority: Authority,
  trustBundle: readonly string[],
  deps: AuthorityStoreDeps,
): Promise<{ readonly certificatePem: string; readonly keyPem: string; readonly trustBundlePem: string }> {
  const pair = await authority.issueServerCertificate({
    commonName: 'lumbung-hub',
    ...deps.serverNames,
    validityMs: serverValidityMs,
  });
  return { ...pair, trustBundlePem: joinBundles(...trustBundle) };
}

async function readOrCreate(deps: AuthorityStoreDeps): Promise<SecretObject> {
  const ref = { type: secrets, namespace: deps.namespace, name: AUTHORITY_SECRET };
  try {
    return await deps.client.get<SecretObject>(ref);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const authority = await createAuthority({ commonName: 'Lumbung hub', validityMs: authorityValidityMs }, deps);
  const object = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name: AUTHORITY_SECRET, namespace: deps.namespace, labels: { 'app.kubernetes.io/part-of': 'lumbung' } },
    data: { 'tls.crt': encode(authority.certificatePem), 'tls.key': encode(authority.keyPem) },
  };
  try {
    const created = await deps.client.create<SecretObject>(secrets, object);
    deps.logger.info('certificate authority created', { fingerprint: authority.fingerprint });
    return created;
  } catch (error) {
    if (isAlreadyExists(error)) return deps.client.get<SecretObject>(ref);
    throw error;
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decode(secret: SecretObject, key: string): string {
  const value = secret.data?.[key];
  if (value === undefined)
    throw new Error(
      `Secret ${secret.metadata.name ?? ''} has no key ${key}; delete the Secret to make a new authority, or restore it`,
    );
  return Buffer.from(value, 'base64').toString('utf8');
}
