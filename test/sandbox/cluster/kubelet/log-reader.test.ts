import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLog } from '../../../../src/sandbox/cluster/kubelet/container-log.ts';
import { readLog } from '../../../../src/sandbox/cluster/kubelet/log-reader.ts';
import type { LogQuery } from '../../../../src/sandbox/cluster/kubelet/log-reader.ts';

let folder = '';
let files = 0;
let nowMs = Date.parse('2026-01-01T00:00:00Z');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandbox-log-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function newLog(rotateBytes?: number): ContainerLog {
  const path = join(folder, `c${(files += 1)}`, '0.log');
  return new ContainerLog({ path, nowMs: () => nowMs, ...(rotateBytes === undefined ? {} : { rotateBytes }) });
}

async function read(log: ContainerLog, query: LogQuery = {}): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of readLog(log, query)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

const put = (log: ContainerLog, text: string): Promise<void> => log.write('stdout', Buffer.from(text));

describe('container logs', () => {
  it('give back what was written, across chunks that cut lines anywhere', async () => {
    const log = newLog();
    await put(log, 'one\ntw');
    await put(log, 'o\nthree');
    expect(await read(log)).toBe('one\ntwo\n');
    await log.close();
    expect(await read(log)).toBe('one\ntwo\nthree\n');
  });

  it('are empty without a file when nothing was said', async () => {
    const log = newLog();
    await log.close();
    expect(await read(log)).toBe('');
  });

  it('keep bytes that are no text, and lines longer than a record', async () => {
    const log = newLog();
    const long = 'x'.repeat(100_000);
    await put(log, `${long}\n`);
    await log.write('stderr', Buffer.from([0xff, 0x00, 0x0a]));
    const parts: Uint8Array[] = [];
    for await (const part of readLog(log, {})) parts.push(part);
    const all = Buffer.concat(parts);
    expect(all.subarray(0, 100_001).toString()).toBe(`${long}\n`);
    expect([...all.subarray(100_001)]).toEqual([0xff, 0x00, 0x0a]);
  });

  it.each<[string, LogQuery, string]>([
    ['the last two lines', { tailLines: 2 }, 'line 8\nline 9\n'],
    ['no line', { tailLines: 0 }, ''],
    ['more than there is', { tailLines: 100 }, Array.from({ length: 10 }, (_, i) => `line ${i}\n`).join('')],
    ['a limit of bytes', { limitBytes: 9 }, 'line 0\nli'],
    ['the newest, with a limit', { tailLines: 2, limitBytes: 3 }, 'lin'],
    ['lines since a moment', { sinceMs: Date.parse('2026-01-01T00:00:08Z') }, 'line 8\nline 9\n'],
    ['times', { tailLines: 1, timestamps: true }, '2026-01-01T00:00:09.000000000Z line 9\n'],
  ])('can be asked for %s', async (_name, query, want) => {
    const log = newLog();
    const startMs = Date.parse('2026-01-01T00:00:00Z');
    for (let i = 0; i < 10; i += 1) {
      nowMs = startMs + i * 1000;
      await put(log, `line ${i}\n`);
    }
    expect(await read(log, query)).toBe(want);
  });

  it('keep at most two files and lose the oldest lines first', async () => {
    const log = newLog(1000);
    for (let i = 0; i < 100; i += 1) await put(log, `line ${String(i).padStart(3, '0')}\n`);
    const lines = (await read(log)).trim().split('\n');
    expect(lines.at(-1)).toBe('line 099');
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.length).toBeLessThan(50);
    expect(lines).toEqual(lines.map((_, i) => `line ${String(100 - lines.length + i).padStart(3, '0')}`));
  });

  it('can be followed until the end, across rotations, without a gap', async () => {
    const log = newLog(4000);
    const followed = read(log, { follow: true });
    for (let i = 0; i < 300; i += 1) {
      await put(log, `line ${i}\n`);
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    await log.close();
    const lines = (await followed).trim().split('\n');
    expect(lines).toEqual(Array.from({ length: 300 }, (_, i) => `line ${i}`));
  });

  it('stop being followed when the reader goes away', async () => {
    const log = newLog();
    await put(log, 'first\n');
    const gone = new AbortController();
    const seen: string[] = [];
    for await (const part of readLog(log, { follow: true }, gone.signal)) {
      seen.push(Buffer.from(part).toString());
      gone.abort();
    }
    expect(seen).toEqual(['first\n']);
  });
});
