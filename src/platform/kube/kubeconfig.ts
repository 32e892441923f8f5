/**
 * Cluster credentials from a kubeconfig or from inside a pod, through client-node's KubeConfig: files, inline data, exec
 * plugins, OIDC, and token files that rotate.
 *
 * Invariants: what is wrong with a kubeconfig is said by name without quoting its secrets; relative file names count from
 * the kubeconfig's own folder. Leaves out how often credentials are asked for (undici-transport.ts) and which files to look
 * in (bin).
 */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { RequestOptions } from 'node:https';
import { KubeConfig, type Cluster } from '@kubernetes/client-node';
import { parse as parseYaml } from 'yaml';
import type { ClusterCredentials, CredentialMaterial } from './undici-transport.ts';

export type KubeConfigSource =
  | { readonly kind: 'file'; readonly path: string; readonly context?: string }
  | { readonly kind: 'text'; readonly yaml: string; readonly context?: string }
  | { readonly kind: 'in-cluster' };

export interface LoadedKubeConfig {
  readonly credentials: ClusterCredentials;
  /** The context's namespace, or the pod's own; `default` if none is said. */
  readonly namespace: string;
  readonly contextName: string;
  readonly clusterName: string;
}

/** A kubeconfig that cannot be used. The message names the source and what is missing. */
export class KubeConfigError extends Error {
  readonly kind = 'KubeConfigError';
  override readonly name = 'KubeConfigError';
}

const podNamespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** Reads `source` now; rotating parts are read again by `credentials.current`. Throws KubeConfigError. */
export function loadKubeConfig(source: KubeConfigSource): LoadedKubeConfig {
  const config = readConfig(source);
  const what = describeSource(source);
  const context = config.getContextObject(config.getCurrentContext());
  if (context === null) {
    const known = config.getContexts().map((each) => each.name);
    const list = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
    throw new KubeConfigError(`${what}: context ${JSON.stringify(config.getCurrentContext())} is missing; ${list}`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeConfigError(`${what}: context ${context.name} names cluster ${context.cluster}, which is missing`);
  }
  if (cluster.proxyUrl !== undefined) {
    throw new KubeConfigError(
      `${what}: cluster ${cluster.name}: proxy-url is not supported; reach the server directly`,
    );
  }
  const tokenFile = tokenFileOf(source, context.user);
  return {
    credentials: { server: serverOf(cluster, what), current: () => currentMaterial(config, cluster, tokenFile) },
    namespace: context.namespace ?? podNamespace(source) ?? 'default',
    contextName: context.name,
    clusterName: cluster.name,
  };
}

function readConfig(source: KubeConfigSource): KubeConfig {
  const config = new KubeConfig();
  try {
    if (source.kind === 'in-cluster') config.loadFromCluster();
    else if (source.kind === 'file') config.loadFromFile(source.path);
    else config.loadFromString(source.yaml);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // YAML errors quote the text around the mistake, which may hold a token: only the class of the error is shown.
    const detail = code ?? (error instanceof Error ? error.name : 'unreadable');
    throw new KubeConfigError(`${describeSource(source)}: cannot be read as a kubeconfig (${detail})`);
  }
  if (source.kind !== 'in-cluster' && source.context !== undefined) config.setCurrentContext(source.context);
  return config;
}

function serverOf(cluster: Cluster, what: string): string {
  // Data of a file: the type promises a string, a broken kubeconfig does not keep it.
  const server = cluster.server as string | undefined;
  const protocol = server !== undefined && URL.canParse(server) ? new URL(server).protocol : '';
  if (server === undefined || (protocol !== 'https:' && protocol !== 'http:')) {
    throw new KubeConfigError(
      `${what}: cluster ${cluster.name}: server ${JSON.stringify(server)} is not an http(s) URL`,
    );
  }
  return server;
}

async function currentMaterial(
  config: KubeConfig,
  cluster: Cluster,
  tokenFile: string | undefined,
): Promise<CredentialMaterial> {
  const options: RequestOptions & { auth?: string | null } = {};
  await config.applyToHTTPSOptions(options);
  const headers = plainHeaders(options.headers);
  if (typeof options.auth === 'string') {
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  if (tokenFile !== undefined) headers['authorization'] = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
  // Without a user client-node sets nothing at all, the authority included.
  const ca = pem(options.ca) ?? authorityOf(cluster);
  const cert = pem(options.cert);
  const key = pem(options.key);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.tlsServerName === undefined ? {} : { serverName: cluster.tlsServerName }),
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    headers,
  };
}

/** The user's `tokenFile`, which client-node does not know. Relative names count from the kubeconfig's folder. */
function tokenFileOf(source: KubeConfigSource, user: string): string | undefined {
  if (source.kind === 'in-cluster') return undefined;
  const yaml = source.kind === 'text' ? source.yaml : readFileSync(source.path, 'utf8');
  const { users } = parseYaml(yaml) as {
    readonly users?: readonly { name?: unknown; user?: { tokenFile?: unknown } }[];
  };
  const tokenFile = users?.find((each) => each.name === user)?.user?.tokenFile;
  if (typeof tokenFile !== 'string' || tokenFile === '') return undefined;
  return source.kind === 'text' || isAbsolute(tokenFile) ? tokenFile : join(dirname(source.path), tokenFile);
}

function authorityOf(cluster: Cluster): string | undefined {
  if (cluster.caFile !== undefined) return readFileSync(cluster.caFile, 'utf8');
  return cluster.caData === undefined ? undefined : Buffer.from(cluster.caData, 'base64').toString('utf8');
}

function pem(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
}

function plainHeaders(headers: RequestOptions['headers']): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value !== undefined) plain[name.toLowerCase()] = String(value);
  }
  return plain;
}

function podNamespace(source: KubeConfigSource): string | undefined {
  if (source.kind !== 'in-cluster') return undefined;
  try {
    return readFileSync(podNamespaceFile, 'utf8').trim();
  } catch {
    // Service account mounts may leave the file out; the caller's default then says where we are.
    return undefined;
  }
}

function describeSource(source: KubeConfigSource): string {
  if (source.kind === 'file') return `kubeconfig ${source.path}`;
  return source.kind === 'text' ? 'kubeconfig' : 'in-cluster configuration';
}
