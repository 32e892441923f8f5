/** Reads how the cluster's API server identifies users to aggregated APIs. */
import { configMaps } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isForbidden, isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { RequestHeaderConfig } from '../../platform/kube/aggregated-server.ts';

interface ConfigMapObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Undefined where the cluster has no aggregation layer, or does not let this hub read about it: then no such API is served. */
export async function readRequestHeader(client: KubeClient): Promise<RequestHeaderConfig | undefined> {
  try {
    const ref = { type: configMaps, namespace: 'kube-system', name: 'extension-apiserver-authentication' };
    const { data } = await client.get<ConfigMapObject>(ref);
    const clientCaPem = data?.['requestheader-client-ca-file'];
    if (clientCaPem === undefined) return undefined;
    return {
      clientCaPem,
      allowedNames: list(data?.['requestheader-allowed-names'], []),
      usernameHeaders: list(data?.['requestheader-username-headers'], ['X-Remote-User']),
      groupHeaders: list(data?.['requestheader-group-headers'], ['X-Remote-Group']),
    };
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

function list(text: string | undefined, fallback: readonly string[]): readonly string[] {
  if (text === undefined) return fallback;
  const parsed: unknown = JSON.parse(text);
  return Array.isArray(parsed) ? parsed.filter((item) => typeof item === 'string') : fallback;
}
