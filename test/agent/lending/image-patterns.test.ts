import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatches, hasDigest, imageAllowed, normaliseImage } from '../../../src/agent/lending/image-patterns.ts';

const digest = `sha256:${'ab'.repeat(32)}`;

describe('image patterns', () => {
  it.each([
    ['python', 'docker.io', 'library/python:latest'],
    ['pytorch/pytorch:2.1', 'docker.io', 'pytorch/pytorch:2.1'],
    ['index.docker.io/library/python', 'docker.io', 'library/python:latest'],
    ['registry.example:5000/team-a/tool', 'registry.example:5000', 'team-a/tool:latest'],
    ['localhost/tool', 'localhost', 'tool:latest'],
    ['Registry.Example/tool:1', 'registry.example', 'tool:1'],
    [`registry.example/tool@${digest}`, 'registry.example', `tool@${digest}`],
  ])('spells %s out', (image, host, rest) => {
    expect(normaliseImage(image)).toEqual({ host, rest });
  });

  it.each([
    '',
    'UPPER/case',
    'a b',
    'registry.example/',
    'registry.example/../etc',
    `registry.example/${'a'.repeat(2000)}`,
  ])('takes %j for no reference, so that no pattern allows it', (image) => {
    expect(normaliseImage(image)).toBeUndefined();
    expect(imageAllowed(image, ['*'])).toBe(false);
  });

  it.each([
    ['registry.example/team-a/tool:1', 'registry.example/team-a/*', true],
    ['registry.example/team-ab/tool:1', 'registry.example/team-a/*', false],
    ['registry.example/team-a/tool:1', 'registry.example/team-a/tool', true],
    [`registry.example/team-a/tool@${digest}`, 'registry.example/team-a/tool', true],
    ['registry.example/team-a/tool:2', 'registry.example/team-a/tool:1', false],
    ['registry.example/team-a/tool-evil:1', 'registry.example/team-a/tool', false],
    ['python', 'docker.io/library/python:latest', true],
    ['docker.io/library/python:latest', 'python', true],
    ['evil.example/docker.io/library/python', 'docker.io/*', false],
    ['evil.example/x.registry.example/tool', '*.registry.example/*', false],
    ['eu.registry.example/tool', '*.registry.example/*', true],
    ['anything/at-all:9', '*', true],
    ['nvcr.io/nvidia/pytorch:24', '*/nvidia/*', true],
    ['pytorch/pytorch:2', 'pytorch/*', true],
    ['python', '*python*', true],
  ])('says whether %s is allowed by %s', (image, pattern, want) => {
    expect(imageAllowed(image, [pattern])).toBe(want);
  });

  it('allows nothing by an empty list', () => {
    expect(imageAllowed('python', [])).toBe(false);
  });

  it('knows a digest from a tag that looks like one', () => {
    expect(hasDigest(`registry.example/tool:1@${digest}`)).toBe(true);
    expect(hasDigest('registry.example/tool:sha256')).toBe(false);
    expect(hasDigest('registry.example/tool@sha256:abc')).toBe(false);
  });

  it('matches globs as the equivalent regular expression does', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 12 }).map((parts) => parts.join(''));
    const pattern = fc.array(fc.constantFrom('a', 'b', '/', '*'), { maxLength: 7 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(letters, pattern, (text, glob) => {
        expect(globMatches(text, glob)).toBe(new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(text));
      }),
      { numRuns: 2000 },
    );
  });
});
