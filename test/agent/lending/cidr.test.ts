import { describe, expect, it } from 'vitest';
import { isCidr } from '../../../src/agent/lending/cidr.ts';

describe('network ranges', () => {
  it.each([
    '10.0.0.0/8',
    '0.0.0.0/0',
    '192.168.1.1/32',
    '::/0',
    'fd00::/8',
    '2001:db8::1/128',
    '::ffff:10.0.0.1/96',
    '1:2:3:4:5:6:7:8/64',
  ])('takes %s', (text) => {
    expect(isCidr(text)).toBe(true);
  });
  it.each([
    '10.0.0.0',
    '10.0.0.0/33',
    '256.0.0.0/8',
    '10.0.0/8',
    '010.0.0.0/8',
    '::/129',
    '1:2:3/64',
    '1::2::3/64',
    'g::/8',
    '1:2:3:4:5:6:7:8::/64',
    '10.0.0.0/8/8',
    '',
  ])('refuses %j', (text) => {
    expect(isCidr(text)).toBe(false);
  });
});
