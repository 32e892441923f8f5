/**
 * Cluster credentials that need no plugin: a service account's files, or a kubeconfig's certificates, tokens and passwords.
 *
 * Long-lived programs nearly always run on these, and the library that knows the rest (exec plugins, OIDC: kubeconfig.ts)
 * costs a process some 15 MB. Invariant: what is given back is what kubeconfig.ts would give; anything that is missing, odd
 * or needs more is left to it, errors included: then the answer is undefined.
 */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { ClusterCredentials, CredentialMaterial } from './undici-transport.ts';

type Json = Readonly<Record<string, unknown>>;

/** Where a pod finds its service account. */
export interface PodSurroundings {
  readonly host: string;
  readonly port: string;
  /** Directory with `token` and `ca.crt`. */
  readonly serviceAccountDir: string;
}

/** From inside a pod. Files are read again each time, since tokens rotate. */
export function podCredentials({ host, port, serviceAccountDir }: PodSurroundings): ClusterCredentials {
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    current: () =>
      promised(() => ({
        ca: readFileSync(join(serviceAccountDir, 'ca.crt'), 'utf8'),
        insecureSkipTlsVerify: false,
        headers: { authorization: `Bearer ${readFileSync(join(serviceAccountDir, 'token'), 'utf8').trim()}` },
      })),
  };
}

/** From a kubeconfig file; undefined when it needs more than is known here. */
export function plainKubeConfig(path: string, contextName?: string): ClusterCredentials | undefined {
  const parts = readParts(path, contextName);
  if (parts === undefined) return undefined;
  const { cluster, user } = parts;
  const server = cluster['server'];
  if (typeof server !== 'string' || !/^https?:\/\//.test(server) || !URL.canParse(server)) return undefined;
  const folder = dirname(path);
  return { server, current: () => promised(() => materialOf(cluster, user, folder)) };
}

/** Fields of a cluster and a user that are understood here; with any other the full reader is needed. */
const CLUSTER_FIELDS = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'insecure-skip-tls-verify',
  'tls-server-name',
]);
const USER_FIELDS = new Set([
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
  'token',
  'tokenFile',
  'username',
  'password',
]);

function readParts(
  path: string,
  contextName: string | undefined,
): { readonly cluster: Json; readonly user: Json } | undefined {
  let config: Json;
  try {
    config = objectOr(parseYaml(readFileSync(path, 'utf8')));
  } catch {
    // The full reader says what is wrong with the file.
    return undefined;
  }
  const context = named(config['contexts'], contextName ?? config['current-context'], 'context');
  const cluster = named(config['clusters'], context?.['cluster'], 'cluster');
  const user = named(config['users'], context?.['user'], 'user');
  if (cluster === undefined || user === undefined) return undefined;
  const known =
    Object.keys(cluster).every((key) => CLUSTER_FIELDS.has(key)) &&
    Object.keys(user).every((key) => USER_FIELDS.has(key));
  return known ? { cluster, user } : undefined;
}

function materialOf(cluster: Json, user: Json, folder: string): CredentialMaterial {
  const ca = pemOf(cluster, 'certificate-authority', folder);
  const cert = pemOf(user, 'client-certificate', folder);
  const key = pemOf(user, 'client-key', folder);
  const serverName = textOf(cluster['tls-server-name']);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'] === true,
    headers: headersOf(user, folder),
  };
}

function headersOf(user: Json, folder: string): Readonly<Record<string, string>> {
  const tokenFile = textOf(user['tokenFile']);
  if (tokenFile !== undefined)
    return { authorization: `Bearer ${readFileSync(inFolder(tokenFile, folder), 'utf8').trim()}` };
  const token = textOf(user['token']);
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  const username = textOf(user['username']);
  if (username === undefined) return {};
  const pair = `${username}:${textOf(user['password']) ?? ''}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** Inline data before a file, as kubectl takes them. */
function pemOf(object: Json, field: string, folder: string): string | undefined {
  const data = textOf(object[`${field}-data`]);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const file = textOf(object[field]);
  return file === undefined ? undefined : readFileSync(inFolder(file, folder), 'utf8');
}

function inFolder(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function named(list: unknown, name: unknown, field: string): Json | undefined {
  if (!Array.isArray(list) || typeof name !== 'string') return undefined;
  const entry = list.map(objectOr).find((one) => one['name'] === name);
  return entry === undefined ? undefined : objectOr(entry[field]);
}

function objectOr(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A file that cannot be read rejects, as the caller expects of asking for credentials. */
function promised<T>(make: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(make());
  });
}
