/**
 * The one door to the X.509 library: its prerequisites in their order, and its names.
 *
 * `reflect-metadata` must be loaded before the library, and the library must be told which WebCrypto to use; importing the
 * library directly elsewhere would make that a matter of luck.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

export const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;

export { x509, webcrypto };
