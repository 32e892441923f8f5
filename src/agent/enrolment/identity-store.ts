/**
 * The member's identity in its own cluster: one Secret, `lumbung-agent-identity`, in the agent's namespace.
 *
 * Invariants: the keys are made once and persisted before anything is asked of a hub, so that a crash in the middle of joining
 * asks again with the same key; every write is a compare-and-swap on what was read; only this Secret is ever read or written,
 * by name. Keys and certificates never reach a log or an error. Leaves out what the certificate must say (certificate-check.ts).
 */
import { secrets } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { createKeyAndCsr } from '../../platform/pki/certificate-request.ts';
import { createSealingKey } from '../../platform/pki/sealing.ts';
import { FIELD_MANAGERS, LABELS, MANAGED_BY_VALUE } from '../../api/v1alpha1/labels.ts';

export const IDENTITY_SECRET = 'lumbung-agent-identity';

const ATTEMPTS = 5;

export interface StoredIdentity {
  /** PKCS #8 PEM of the member's key. */
  readonly keyPem: string;
  /** PKCS #8 PEM of the X25519 key that Secrets for guests are sealed to. */
  readonly sealingKeyPem: string;
  /** PEM; absent before the member has joined. */
  readonly certificatePem?: string;
  /** PEM of the authorities trusted for the hub. */
  readonly trustBundlePem?: string;
  /** Highest term of the agent's Lease that was ever held; 0 = none. */
  readonly leaseTerm: number;
}

export type IdentityUpdate = Partial<Pick<StoredIdentity, 'certificatePem' | 'trustBundlePem' | 'leaseTerm'>>;

export interface IdentityStore {
  /** What is there; keys are made and persisted first where nothing is. */
  ensure(): Promise<StoredIdentity>;
  /** Undefined when there is nothing yet. */
  load(): Promise<StoredIdentity | undefined>;
  /** Changes the named parts. A lease term is only ever raised. Throws IdentityLost when the Secret is gone. */
  update(change: IdentityUpdate): Promise<StoredIdentity>;
}

/** The Secret was deleted or emptied under a running agent, or does not hold keys. */
export class IdentityLost extends Error {
  readonly kind = 'IdentityLost';
  override readonly name = 'IdentityLost';
}

export interface IdentityStoreDeps {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'mergePatch'>;
  readonly namespace: string;
  /** For the common name of requests; not stored. */
  readonly member: string;
}

type SecretObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

const FIELDS = {
  keyPem: 'tls.key',
  certificatePem: 'tls.crt',
  trustBundlePem: 'ca.crt',
  sealingKeyPem: 'sealing.key',
  leaseTerm: 'lease-term',
} as const;

export function createIdentityStore(deps: IdentityStoreDeps): IdentityStore {
  return new SecretIdentityStore(deps);
}

class SecretIdentityStore implements IdentityStore {
  private readonly deps: IdentityStoreDeps;

  constructor(deps: IdentityStoreDeps) {
    this.deps = deps;
  }

  async ensure(): Promise<StoredIdentity> {
    const present = await this.load();
    if (present !== undefined) return present;
    const { client, namespace, member } = this.deps;
    const { keyPem } = await createKeyAndCsr({ commonName: member });
    const identity: StoredIdentity = { keyPem, sealingKeyPem: createSealingKey().privateKeyPem, leaseTerm: 0 };
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: IDENTITY_SECRET, namespace, labels: { [LABELS.managedBy]: MANAGED_BY_VALUE } },
      type: 'Opaque',
      data: encode(identity),
    };
    try {
      await client.create(secrets, secret, { fieldManager: FIELD_MANAGERS.agent });
      return identity;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      // Another pod of this agent was first: its keys are the member's.
      const theirs = await this.load();
      if (theirs === undefined)
        throw new IdentityLost(`Secret ${namespace}/${IDENTITY_SECRET} vanished while it was made`);
      return theirs;
    }
  }

  async load(): Promise<StoredIdentity | undefined> {
    const secret = await this.read();
    return secret === undefined ? undefined : this.decode(secret);
  }

  async update(change: IdentityUpdate): Promise<StoredIdentity> {
    const { client, namespace } = this.deps;
    for (let attempt = 1; ; attempt += 1) {
      const secret = await this.read();
      if (secret === undefined) throw new IdentityLost(`Secret ${namespace}/${IDENTITY_SECRET} is gone`);
      const before = this.decode(secret);
      const next = { ...before, ...change, leaseTerm: Math.max(before.leaseTerm, change.leaseTerm ?? 0) };
      const patch = { metadata: { resourceVersion: secret.metadata.resourceVersion }, data: encode(next) };
      try {
        await client.mergePatch({ type: secrets, namespace, name: IDENTITY_SECRET }, patch, {
          fieldManager: FIELD_MANAGERS.agent,
        });
        return next;
      } catch (error) {
        if (!isConflict(error) || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  private async read(): Promise<SecretObject | undefined> {
    const { client, namespace } = this.deps;
    try {
      return await client.get<SecretObject>({ type: secrets, namespace, name: IDENTITY_SECRET });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private decode(secret: SecretObject): StoredIdentity {
    const text = (field: string): string => Buffer.from(secret.data?.[field] ?? '', 'base64').toString('utf8');
    const keyPem = text(FIELDS.keyPem);
    const sealingKeyPem = text(FIELDS.sealingKeyPem);
    if (keyPem === '' || sealingKeyPem === '') {
      const missing = keyPem === '' ? FIELDS.keyPem : FIELDS.sealingKeyPem;
      const where = `Secret ${this.deps.namespace}/${IDENTITY_SECRET}`;
      throw new IdentityLost(`${where}: data["${missing}"] is missing; delete the Secret and join anew with --rejoin`);
    }
    const certificatePem = text(FIELDS.certificatePem);
    const trustBundlePem = text(FIELDS.trustBundlePem);
    const leaseTerm = Number(text(FIELDS.leaseTerm));
    return {
      keyPem,
      sealingKeyPem,
      ...(certificatePem === '' ? {} : { certificatePem }),
      ...(trustBundlePem === '' ? {} : { trustBundlePem }),
      leaseTerm: Number.isSafeInteger(leaseTerm) && leaseTerm > 0 ? leaseTerm : 0,
    };
  }
}

function encode(identity: StoredIdentity): Readonly<Record<string, string>> {
  const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  return {
    [FIELDS.keyPem]: base64(identity.keyPem),
    [FIELDS.sealingKeyPem]: base64(identity.sealingKeyPem),
    [FIELDS.leaseTerm]: base64(String(identity.leaseTerm)),
    ...(identity.certificatePem === undefined ? {} : { [FIELDS.certificatePem]: base64(identity.certificatePem) }),
    ...(identity.trustBundlePem === undefined ? {} : { [FIELDS.trustBundlePem]: base64(identity.trustBundlePem) }),
  };
}
