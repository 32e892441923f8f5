import { describe, expect, it } from 'vitest';
import { isNoNews } from '../../../src/hub/state/resource-version.ts';

describe('versions of an object', () => {
  it.each([
    { held: '10', candidate: '10', noNews: true },
    { held: '10', candidate: '9', noNews: true },
    { held: '9', candidate: '10', noNews: false },
    { held: '99999999999999999', candidate: '99999999999999998', noNews: true },
    { held: 'abc', candidate: 'abd', noNews: false },
    { held: 'abd', candidate: 'abc', noNews: false },
    { held: undefined, candidate: '1', noNews: false },
    { held: '1', candidate: undefined, noNews: false },
  ])('holding $held, $candidate is no news: $noNews', ({ held, candidate, noNews }) => {
    expect(isNoNews(held, candidate)).toBe(noNews);
  });
});
