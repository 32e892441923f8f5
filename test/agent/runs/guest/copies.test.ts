import { describe, expect, it } from 'vitest';
import { copyObject, openAttachments } from '../../../../src/agent/runs/guest/copies.ts';
import { ownedBy } from '../../../../src/agent/runs/guest/run-objects.ts';
import { runCopyName } from '../../../../src/api/v1alpha1/child-names.ts';
import type { RunOrder, SealedAttachment } from '../../../../src/core/model/run.ts';
import { createSealer, createSealingKey, seal } from '../../../../src/platform/pki/sealing.ts';
import { anOrder } from '../../../support/agent-builders.ts';

const key = createSealingKey();
const sealer = createSealer(key.privateKeyPem);
const b64 = (text: string): string => Buffer.from(text).toString('base64');
const sealedText = (text: string): Uint8Array => seal(Buffer.from(text), key.publicKey);
const attached = (name: string, data: unknown, kind: SealedAttachment['kind'] = 'Secret'): SealedAttachment => ({
  kind,
  name,
  type: 'Opaque',
  sealed: sealedText(JSON.stringify({ data })),
});

function open(
  attachments: readonly SealedAttachment[],
  spec: Record<string, unknown> = {},
): ReturnType<typeof openAttachments> {
  const order: RunOrder = { ...anOrder(), attachments };
  return openAttachments(order, { metadata: {}, spec: { containers: [], ...spec } }, sealer);
}

describe('attachments', () => {
  it('are opened with the key of the member', () => {
    const opened = open([attached('keys', { TOKEN: b64('s3cret') })]);
    expect(opened).toEqual({
      ok: true,
      value: [{ kind: 'Secret', name: 'keys', type: 'Opaque', data: { TOKEN: b64('s3cret') } }],
    });
  });

  it.each([
    [
      'sealed to another key',
      { ...attached('keys', {}), sealed: seal(Buffer.from('{}'), createSealingKey().publicKey) },
      'Unsupported',
    ],
    ['no sealed box', { ...attached('keys', {}), sealed: new Uint8Array(3) }, 'Unsupported'],
    ['no JSON', { ...attached('keys', {}), sealed: sealedText('hush hush') }, 'Unsupported'],
    ['without data', attached('keys', undefined), 'Unsupported'],
    ['with a key that is a path', attached('keys', { '../etc': b64('x') }), 'Unsupported'],
    ['with a value that is no base64', attached('keys', { a: 'hush hush' }), 'Unsupported'],
  ])('that are %s are refused without a word of their content', (_what, attachment, cause) => {
    const opened = open([attachment]);
    expect(opened).toMatchObject({ ok: false, error: { cause } });
    expect(JSON.stringify(opened)).not.toContain('hush');
  });

  it('that the template needs and that did not come are named', () => {
    const volumes = [
      { name: 'a', secret: { secretName: 'needed' } },
      { name: 'b', configMap: { name: 'maybe', optional: true } },
    ];
    expect(open([], { volumes })).toMatchObject({
      ok: false,
      error: { cause: 'ReferenceNotFound', message: expect.stringContaining('Secret needed') as string },
    });
    expect(open([attached('needed', {})], { volumes }).ok).toBe(true);
  });

  it.each([
    ['', 'NVIDIA_VISIBLE_DEVICES'],
    ['NVIDIA_', 'VISIBLE_DEVICES'],
    ['', 'LUMBUNG_FENCE'],
  ])('may not smuggle variables in by envFrom: prefix %j, key %s', (prefix, name) => {
    const containers = [{ name: 'main', envFrom: [{ prefix, configMapRef: { name: 'c' } }] }];
    expect(open([attached('c', { [name]: b64('all') }, 'ConfigMap')], { containers })).toMatchObject({
      ok: false,
      error: { cause: 'TemplateRefused' },
    });
    expect(open([attached('c', { OTHER: b64('all') }, 'ConfigMap')], { containers }).ok).toBe(true);
  });
});

describe('copies', () => {
  const order = anOrder();
  const owner = ownedBy(order, 'uid-1');

  it('are owned by the run, under a name of its own', () => {
    const copy = copyObject(order, owner, { kind: 'Secret', name: 'keys', type: '', data: { a: b64('x') } });
    expect(copy).toMatchObject({
      kind: 'Secret',
      type: 'Opaque',
      immutable: true,
      data: { a: b64('x') },
      metadata: {
        name: runCopyName(order.id, 'Secret', 'keys'),
        namespace: 'guest-team-a',
        ownerReferences: [{ uid: 'uid-1' }],
      },
    });
  });

  it.each([
    ['kubernetes.io/dockerconfigjson', 'kubernetes.io/dockerconfigjson'],
    ['kubernetes.io/service-account-token', 'Opaque'],
    ['bootstrap.kubernetes.io/token', 'Opaque'],
  ])('of a Secret of type %s have type %s', (given, made) => {
    expect(copyObject(order, owner, { kind: 'Secret', name: 'k', type: given, data: {} })['type']).toBe(made);
  });

  it('of a ConfigMap keep text as text, so that variables can read it, and the rest as bytes', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0x00]).toString('base64');
    const copy = copyObject(order, owner, {
      kind: 'ConfigMap',
      name: 'c',
      type: '',
      data: { text: b64('grün'), raw: bytes },
    });
    expect(copy).toMatchObject({ data: { text: 'grün' }, binaryData: { raw: bytes } });
  });
});
