/**
 * The run's own copies of the tenant's ConfigMaps and Secrets, from what the hub sealed to this member.
 *
 * Invariants: values never reach logs or errors; a copy belongs to the GuestRun and to nobody else; keys that would become
 * refused environment variables by `envFrom` are refused before anything is made. Leaves out reading them on the hub.
 */
import { guestNamespace, runCopyName } from '../../../api/v1alpha1/child-names.ts';
import type { RunOrder, SealedAttachment } from '../../../core/model/run.ts';
import { templateReferences } from '../../../core/model/template-references.ts';
import type { OwnerReference } from '../../../platform/kube/object.ts';
import { isPkiError } from '../../../platform/pki/pki-error.ts';
import type { Sealer } from '../../../platform/pki/sealing.ts';
import { err, ok, type Result } from '../../../std/result.ts';
import type { Reason } from '../../../core/run/agent-plan.ts';
import { runLabels } from '../template/build-pod.ts';
import { isObject, type CheckedTemplate } from '../template/check-template.ts';
import { refusedVariable } from '../template/path-table.ts';
import { environmentSources } from '../template/references.ts';
import type { MadeObject } from './run-objects.ts';

/** An opened attachment. Lives only until its copy is made. */
export interface OpenedAttachment {
  readonly kind: SealedAttachment['kind'];
  readonly name: string;
  readonly type: string;
  /** Base64 by key. */
  readonly data: Readonly<Record<string, string>>;
}

/** Types that only hold data. Others make controllers of the cluster act, tokens for instance: their content stays, as Opaque. */
const SECRET_TYPES: readonly string[] = [
  'Opaque',
  'kubernetes.io/dockerconfigjson',
  'kubernetes.io/dockercfg',
  'kubernetes.io/basic-auth',
  'kubernetes.io/ssh-auth',
  'kubernetes.io/tls',
];
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Opens all attachments of an order and holds them against its template. */
export function openAttachments(
  order: RunOrder,
  template: CheckedTemplate,
  sealer: Pick<Sealer, 'open'>,
): Result<readonly OpenedAttachment[], Reason> {
  const opened: OpenedAttachment[] = [];
  for (const attachment of order.attachments) {
    const data = openOne(attachment, sealer);
    if (!data.ok) return err({ cause: 'Unsupported', message: `${attachment.kind} ${attachment.name}: ${data.error}` });
    opened.push({ kind: attachment.kind, name: attachment.name, type: attachment.type, data: data.value });
  }
  const missing = templateReferences({ spec: template.spec }).find(
    (reference) =>
      !reference.optional && !opened.some((one) => one.kind === reference.kind && one.name === reference.name),
  );
  if (missing !== undefined) {
    const message = `${missing.kind} ${missing.name}, which the template refers to, did not come with the order`;
    return err({ cause: 'ReferenceNotFound', message });
  }
  const refused = refusedKey(template, opened);
  return refused === undefined ? ok(opened) : err({ cause: 'TemplateRefused', message: refused });
}

function openOne(
  attachment: SealedAttachment,
  sealer: Pick<Sealer, 'open'>,
): Result<Readonly<Record<string, string>>, string> {
  let plain: unknown;
  try {
    plain = JSON.parse(Buffer.from(sealer.open(attachment.sealed)).toString('utf8'));
  } catch (error) {
    // Neither the parser's nor the cipher's own text may be shown: it can quote the content.
    return err(isPkiError(error) ? `cannot be opened here (${error.why})` : 'holds no readable content');
  }
  const data = isObject(plain) ? plain['data'] : undefined;
  if (!isObject(data)) return err('holds no data');
  for (const [key, value] of Object.entries(data)) {
    if (!KEY.test(key)) return err('has a key that is no ConfigMap or Secret key');
    if (typeof value !== 'string' || !BASE64.test(value)) return err(`key ${key} is not base64`);
  }
  return ok(data as Readonly<Record<string, string>>);
}

/** `envFrom` turns keys into variables: what the template may not name, its ConfigMaps may not either. */
function refusedKey(template: CheckedTemplate, opened: readonly OpenedAttachment[]): string | undefined {
  for (const source of environmentSources(template.spec)) {
    const attachment = opened.find((one) => one.kind === source.kind && one.name === source.name);
    for (const key of Object.keys(attachment?.data ?? {})) {
      const why = refusedVariable(`${source.prefix}${key}`);
      if (why !== undefined) return `${source.kind} ${source.name}: key ${key}, used by envFrom, ${why}`;
    }
  }
  return undefined;
}

/** The object to create. ConfigMap values that are text go to `data`, since variables read nothing else. */
export function copyObject(order: RunOrder, owner: OwnerReference, attachment: OpenedAttachment): MadeObject {
  const metadata = {
    name: runCopyName(order.id, attachment.kind, attachment.name),
    namespace: guestNamespace(order.tenant),
    labels: runLabels(order),
    ownerReferences: [owner],
  };
  if (attachment.kind === 'Secret') {
    const type = SECRET_TYPES.includes(attachment.type) ? attachment.type : 'Opaque';
    return { apiVersion: 'v1', kind: 'Secret', metadata, type, immutable: true, data: attachment.data };
  }
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const [key, value] of Object.entries(attachment.data)) {
    const text = textOf(value);
    if (text === undefined) binaryData[key] = value;
    else data[key] = text;
  }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, immutable: true, data, binaryData };
}

function textOf(base64: string): string | undefined {
  const bytes = Buffer.from(base64, 'base64');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
