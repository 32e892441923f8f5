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
      allowedNames: listOf(data, 'requestheader-allowed-names', []),
      usernameHeaders: listOf(data, 'requestheader-username-headers', ['X-Remote-User']),
      groupHeaders: listOf(data, 'requestheader-group-headers', ['X-Remote-Group']),
    };
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

/** A list that cannot be read must not pass for an empty one, which would allow every name. */
function listOf(data: ConfigMapObject['data'], key: string, fallback: readonly string[]): readonly string[] {
  const text = data?.[key];
  if (text === undefined) return fallback;
  const parsed = parse(text);
  if (Array.isArray(parsed) && parsed.every((item): item is string => typeof item === 'string')) return parsed;
  throw new Error(`ConfigMap kube-system/extension-apiserver-authentication: ${key} is not a JSON list of strings`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON is no list either; the caller says so by name.
    return undefined;
  }
}
