import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_TYPES } from '../../../../src/sandbox/apiserver/builtin/builtin-types.ts';
import { decodeProtobuf } from '../../../../src/sandbox/apiserver/protobuf/decode.ts';
import { ApiError } from '../../../../src/sandbox/apiserver/status-error.ts';

type Fill = (writer: BinaryWriter) => BinaryWriter;
const nested = (writer: BinaryWriter, field: number, fill: Fill): BinaryWriter =>
  fill(writer.uint32((field << 3) | 2).fork()).join();
const text = (writer: BinaryWriter, field: number, value: string): BinaryWriter =>
  writer.uint32((field << 3) | 2).string(value);

function body(apiVersion: string, kind: string, fill: Fill): Uint8Array {
  const raw = fill(new BinaryWriter()).finish();
  const unknown = nested(new BinaryWriter(), 1, (w) => text(text(w, 1, apiVersion), 2, kind));
  const bytes = unknown
    .uint32((2 << 3) | 2)
    .bytes(raw)
    .finish();
  return Buffer.concat([Buffer.from('k8s\0'), bytes]);
}

const meta = (writer: BinaryWriter, name: string): BinaryWriter =>
  nested(writer, 1, (w) => nested(text(w, 1, name), 8, (t) => t));

describe('protobuf bodies', () => {
  it('become the JSON they stand for', () => {
    const secret = body('v1', 'Secret', (w) => {
      meta(w, 's');
      nested(w, 2, (entry) =>
        text(entry, 1, 'key')
          .uint32((2 << 3) | 2)
          .bytes(Buffer.from('value')),
      );
      return text(w, 3, 'Opaque');
    });
    expect(decodeProtobuf(secret, BUILTIN_TYPES)).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
      data: { key: Buffer.from('value').toString('base64') },
      type: 'Opaque',
    });
  });

  it('carry numbers, booleans, quantities, times and int-or-strings', () => {
    const job = body('batch/v1', 'Job', (w) => {
      meta(w, 'j');
      return nested(w, 2, (spec) => {
        spec.uint32(1 << 3).int32(3);
        spec.uint32(3 << 3).int64(-5);
        spec.uint32(10 << 3).bool(true);
        return nested(spec, 6, (template) =>
          nested(template, 2, (pod) =>
            nested(pod, 2, (container) => {
              text(container, 1, 'main');
              nested(container, 8, (resources) =>
                nested(resources, 1, (entry) => nested(text(entry, 1, 'cpu'), 2, (q) => text(q, 1, '500m'))),
              );
              return nested(container, 10, (probe) =>
                nested(probe, 1, (h) => nested(h, 2, (get) => nested(get, 2, (port) => port.uint32(2 << 3).int32(80)))),
              );
            }),
          ),
        );
      });
    });
    expect(decodeProtobuf(job, BUILTIN_TYPES)['spec']).toEqual({
      parallelism: 3,
      activeDeadlineSeconds: -5,
      suspend: true,
      template: {
        spec: {
          containers: [
            { name: 'main', resources: { limits: { cpu: '500m' } }, livenessProbe: { httpGet: { port: 80 } } },
          ],
        },
      },
    });
    const lease = body('coordination.k8s.io/v1', 'Lease', (w) =>
      nested(meta(w, 'l'), 2, (spec) =>
        nested(spec, 4, (time) =>
          time
            .uint32(1 << 3)
            .int64(1_700_000_000)
            .uint32(2 << 3)
            .int32(5_000_000),
        ),
      ),
    );
    expect(decodeProtobuf(lease, BUILTIN_TYPES)['spec']).toEqual({ renewTime: '2023-11-14T22:13:20.005000Z' });
  });

  it('skip fields that this version does not know', () => {
    const map = body('v1', 'ConfigMap', (w) =>
      text(meta(w, 'm'), 99, 'future')
        .uint32((98 << 3) | 5)
        .fixed32(7),
    );
    expect(decodeProtobuf(map, BUILTIN_TYPES)).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm' },
    });
  });

  it('are refused when they are none, or of a kind without protobuf', () => {
    expect(() => decodeProtobuf(Buffer.from('{}'), BUILTIN_TYPES)).toThrow('does not appear to be a protobuf message');
    expect(() =>
      decodeProtobuf(
        body('example.com/v1', 'Barn', (w) => w),
        BUILTIN_TYPES,
      ),
    ).toThrow('no kind "Barn" is registered');
  });

  it('give a clear refusal or a value, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeProtobuf(
            body('v1', 'Pod', (w) => w.uint32((2 << 3) | 2).bytes(bytes)),
            BUILTIN_TYPES,
          );
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
    );
  });
});
