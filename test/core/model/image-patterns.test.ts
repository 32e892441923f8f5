import { describe, expect, it } from 'vitest';
import { hasDigest, imageAllowed, normaliseImage } from '../../../src/core/model/image-patterns.ts';

describe('an image', () => {
  it.each([
    ['python', ['docker.io/library/python'], true],
    ['python:3', ['python'], true],
    ['python:3', ['python:3'], true],
    ['python:3', ['python:4'], false],
    ['evil.example/python', ['python'], false],
    ['registry.example/team/tool:1', ['registry.example/*'], true],
    ['registry.example.evil.example/team/tool', ['registry.example/*'], false],
    ['registry.example/team/tool:1', ['registry.example/other/*', 'registry.example/team/tool'], true],
    ['not an image', ['*'], false],
    ['anything', [], false],
  ])('%s under %o is allowed: %s', (image, patterns, want) => {
    expect(imageAllowed(image, patterns)).toBe(want);
  });

  it('is spelled out as container runtimes do', () => {
    expect(normaliseImage('python')).toEqual({ host: 'docker.io', rest: 'library/python:latest' });
    expect(hasDigest(`python@sha256:${'a'.repeat(64)}`)).toBe(true);
    expect(hasDigest('python:3')).toBe(false);
  });
});
