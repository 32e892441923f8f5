import { describe, expect, it } from 'vitest';
import { pathRewriter } from '../../../../src/sandbox/cluster/kubelet/mount-rewrite.ts';

const rewrite = pathRewriter([
  { mountPath: '/data', realPath: '/real/data' },
  { mountPath: '/data/deep/', realPath: '/real/deep' },
  { mountPath: '/', realPath: '/real/root' },
]);

describe('pathRewriter', () => {
  it.each([
    ['/data', '/real/data'],
    ['/data/x.bin', '/real/data/x.bin'],
    ['/data/deep', '/real/deep'],
    ['/data/deep/y', '/real/deep/y'],
    ['/database', '/database'],
    ['/etc/passwd', '/etc/passwd'],
    ['cat /data/x', 'cat /data/x'],
    ['--out=/data/x', '--out=/data/x'],
    ['', ''],
  ])('turns %j into %j', (text, want) => {
    expect(rewrite(text)).toBe(want);
  });
});
