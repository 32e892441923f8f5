/**
 * Splits a byte stream into lines, as watches and logs send them.
 *
 * Invariants: no byte is lost or doubled whatever the chunk borders, multi-byte characters included; a line longer than the
 * limit is an error instead of unbounded memory. Yields the lines of each chunk together: one step per chunk, not per line.
 */

/** A line outgrew the limit. */
export class LineTooLong extends Error {
  readonly kind = 'LineTooLong';
  override readonly name = 'LineTooLong';
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(`a line is longer than ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

const newline = 10;

/** Non-empty lines without their line ends, in batches. A last line without a line end counts. */
export async function* lineBatches(
  source: AsyncIterable<Uint8Array>,
  limitBytes = 32 * 1024 * 1024,
): AsyncGenerator<readonly string[], void, undefined> {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  for await (const chunk of source) {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      pushLine(lines, [...waiting, chunk.subarray(start, end)]);
      waiting = [];
      waitingBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      waiting.push(chunk.subarray(start));
      waitingBytes += chunk.length - start;
      if (waitingBytes > limitBytes) throw new LineTooLong(limitBytes);
    }
    if (lines.length > 0) yield lines;
  }
  const last: string[] = [];
  pushLine(last, waiting);
  if (last.length > 0) yield last;
}

function pushLine(lines: string[], pieces: readonly Uint8Array[]): void {
  const only = pieces.length === 1 ? pieces[0] : undefined;
  const bytes = only === undefined ? Buffer.concat(pieces) : Buffer.from(only.buffer, only.byteOffset, only.byteLength);
  const line = bytes.toString('utf8').replace(/\r$/, '');
  if (line !== '') lines.push(line);
}
