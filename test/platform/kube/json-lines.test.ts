import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineBatches, LineTooLong } from '../../../src/platform/kube/json-lines.ts';

async function linesOf(chunks: readonly Uint8Array[], limitBytes?: number): Promise<string[]> {
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield await Promise.resolve(chunk);
  }
  const out: string[] = [];
  for await (const batch of lineBatches(source(), limitBytes)) out.push(...batch);
  return out;
}

describe('lineBatches', () => {
  it('gives the same lines however the bytes are cut, multi-byte characters included', async () => {
    const line = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, ''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 10 }),
        fc.array(fc.nat(40), { maxLength: 20 }),
        fc.boolean(),
        async (lines, cuts, closed) => {
          const bytes = Buffer.from(lines.join('\n') + (closed ? '\n' : ''));
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(bytes.subarray(at));
          const want = Buffer.from(lines.join('\n'))
            .toString('utf8')
            .split('\n')
            .filter((each) => each !== '');
          expect(await linesOf(chunks)).toEqual(want);
        },
      ),
    );
  });

  it('takes carriage returns off and skips empty lines', async () => {
    expect(await linesOf([Buffer.from('a\r\n\n\nb')])).toEqual(['a', 'b']);
  });

  it('refuses to hold a line without end', async () => {
    await expect(
      linesOf([Buffer.from('a\n'), Buffer.from('x'.repeat(60)), Buffer.from('x'.repeat(60))], 100),
    ).rejects.toBeInstanceOf(LineTooLong);
  });
});
