/**
 * Tokens of service accounts: signed JWTs with issuer, audiences and expiry, bound to the account's uid (and to a pod's, if
 * asked). A token dies with what it is bound to. The key lives and dies with the server.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { Cluster } from '../cluster.ts';
import { isObject, type Json, type JsonObject, numberAt, objectAt, stringAt, stringsAt } from '../json-value.ts';
import { resourceKey } from '../storage/object-store.ts';
import type { UserInfo } from './user-info.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const ACCOUNTS = resourceKey('', 'serviceaccounts');
const PODS = resourceKey('', 'pods');

export interface TokenSubject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface BoundPod {
  readonly name: string;
  readonly uid: string;
}

export interface VerifiedToken {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(text, 'base64url').toString()) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    // Not our token: the caller treats it as unknown.
    return undefined;
  }
}

export class ServiceAccountTokens {
  private readonly cluster: Cluster;
  private readonly privateKey: KeyObject;
  private readonly publicKey: KeyObject;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    this.publicKey = createPublicKey(this.privateKey);
  }

  issue(
    subject: TokenSubject,
    request: {
      readonly audiences: readonly string[];
      readonly expirySeconds: number;
      readonly pod: BoundPod | undefined;
    },
  ): string {
    const issuedAt = Math.floor(this.cluster.clock.nowMs() / 1000);
    const payload = encode({
      iss: ISSUER,
      sub: `system:serviceaccount:${subject.namespace}:${subject.name}`,
      aud: [...request.audiences],
      iat: issuedAt,
      nbf: issuedAt,
      exp: issuedAt + request.expirySeconds,
      jti: this.cluster.random.uuid(),
      'kubernetes.io': {
        namespace: subject.namespace,
        serviceaccount: { name: subject.name, uid: subject.uid },
        ...(request.pod === undefined ? {} : { pod: { name: request.pod.name, uid: request.pod.uid } }),
      },
    });
    const signed = `${encode({ alg: 'ES256', kid: 'sandbox', typ: 'JWT' })}.${payload}`;
    const signature = sign('sha256', Buffer.from(signed), { key: this.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  /** `undefined` for anything but a valid token of a living account. */
  verify(token: string): VerifiedToken | undefined {
    const [header, payload, signature] = token.split('.');
    if (header === undefined || payload === undefined || signature === undefined) return undefined;
    const key = { key: this.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    const genuine = verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
    const claims = genuine ? decode(payload) : undefined;
    if (claims?.['iss'] !== ISSUER) return undefined;
    if ((numberAt(claims, 'exp') ?? 0) * 1000 <= this.cluster.clock.nowMs()) return undefined;
    return this.living(claims);
  }

  private living(claims: JsonObject): VerifiedToken | undefined {
    const bound = objectAt(claims, 'kubernetes.io');
    const namespace = stringAt(bound, 'namespace') ?? '';
    const account = objectAt(bound, 'serviceaccount');
    const name = stringAt(account, 'name') ?? '';
    const found = this.cluster.store.get(ACCOUNTS, namespace, name);
    if (found === undefined || found.metadata.uid !== stringAt(account, 'uid')) return undefined;
    const pod = objectAt(bound, 'pod');
    if (pod !== undefined) {
      const running = this.cluster.store.get(PODS, namespace, stringAt(pod, 'name') ?? '');
      if (running === undefined || running.metadata.uid !== stringAt(pod, 'uid')) return undefined;
    }
    return {
      audiences: stringsAt(claims, 'aud'),
      user: {
        username: `system:serviceaccount:${namespace}:${name}`,
        uid: found.metadata.uid ?? '',
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${stringAt(claims, 'jti') ?? ''}`] },
      },
    };
  }
}
