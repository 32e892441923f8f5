/**
 * Resolves the ConfigMaps and Secrets that a run's template refers to, and seals them to the member's key, so that what
 * travels and what waits in memory is ciphertext only the member can open.
 *
 * Invariants: Secrets are read by name alone (`get`, never list or watch); plaintext lives only while it is being sealed;
 * a run without references costs no request. A run's attachments are read once per member key: an edit applies to the next run.
 */
import { runKey } from '../../core/model/ids.ts';
import type { RunOrder, SealedAttachment } from '../../core/model/run.ts';
import { templateReferences, type TemplateReference } from '../../core/model/template-references.ts';
import { configMaps, secrets } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isForbidden, isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { seal } from '../../platform/pki/sealing.ts';
import { err, ok, type Result } from '../../std/result.ts';

/** The largest total of one run's attachments: what fits one etcd object, with room to spare. */
const maxBytes = 900_000;

/** As many as a message may carry for one run. */
const maxReferences = 128;

interface DataObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
  readonly type?: string;
}

export interface AttachmentResolver {
  /** Empty for a run without references. The error names the reference that cannot be had. */
  resolve(order: RunOrder, sealingPublicKey: Uint8Array): Promise<Result<readonly SealedAttachment[], string>>;
  holdsFor(member: string): boolean;
  /** Lets go of everything but these runs. */
  retain(member: string, runs: ReadonlySet<string>): void;
}

interface Held {
  readonly member: string;
  readonly publicKey: Uint8Array;
  readonly attachments: readonly SealedAttachment[];
}

export function createAttachmentResolver(deps: { readonly client: KubeClient }): AttachmentResolver {
  const held = new Map<string, Held>();
  return {
    resolve: async (order, publicKey) => {
      const references = templateReferences(order.template);
      if (references.length === 0) return ok([]);
      if (references.length > maxReferences) {
        return err(
          `the template refers to ${references.length} ConfigMaps and Secrets; at most ${maxReferences} are allowed`,
        );
      }
      const key = runKey(order.id);
      const known = held.get(key);
      if (known !== undefined && Buffer.compare(known.publicKey, publicKey) === 0) return ok(known.attachments);
      const read = await readAll(deps.client, order.job.namespace, references, publicKey);
      if (read.ok) held.set(key, { member: order.member, publicKey, attachments: read.value });
      return read;
    },
    holdsFor: (member) => [...held.values()].some((entry) => entry.member === member),
    retain: (member, runs) => {
      for (const [key, entry] of held) if (entry.member === member && !runs.has(key)) held.delete(key);
    },
  };
}

async function readAll(
  client: KubeClient,
  namespace: string,
  references: readonly TemplateReference[],
  publicKey: Uint8Array,
): Promise<Result<readonly SealedAttachment[], string>> {
  const attachments: SealedAttachment[] = [];
  let total = 0;
  for (const reference of references) {
    const read = await readOne(client, namespace, reference);
    if (!read.ok) return read;
    if (read.value === undefined) continue;
    const plain = Buffer.from(JSON.stringify({ data: payloadOf(reference, read.value) }));
    total += plain.byteLength;
    if (total > maxBytes) {
      return err(
        `the ConfigMaps and Secrets of the template add up to more than ${maxBytes} bytes at ${reference.kind} ${reference.name}`,
      );
    }
    const sealed = seal(plain, publicKey);
    plain.fill(0);
    attachments.push({ kind: reference.kind, name: reference.name, type: read.value.type ?? '', sealed });
  }
  return ok(attachments);
}

async function readOne(
  client: KubeClient,
  namespace: string,
  reference: TemplateReference,
): Promise<Result<DataObject | undefined, string>> {
  const type = reference.kind === 'Secret' ? secrets : configMaps;
  try {
    return ok(await client.get<DataObject>({ type, namespace, name: reference.name }));
  } catch (error) {
    if (isNotFound(error)) {
      if (reference.optional) return ok(undefined);
      return err(`${reference.kind} ${namespace}/${reference.name}, which the template refers to, does not exist`);
    }
    if (isForbidden(error))
      return err(`the hub may not read ${reference.kind} ${namespace}/${reference.name}, which the template refers to`);
    throw error;
  }
}

/** All values base64, as a Secret has them. */
function payloadOf(reference: TemplateReference, object: DataObject): Readonly<Record<string, string>> {
  if (reference.kind === 'Secret') return object.data ?? {};
  const values: Record<string, string> = { ...object.binaryData };
  for (const [key, value] of Object.entries(object.data ?? {})) values[key] = Buffer.from(value).toString('base64');
  return values;
}
