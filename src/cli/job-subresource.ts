/** Paths of the hub's aggregated API about one job. */
const base = '/apis/subresources.lumbung.dev/v1alpha1';

/** Undefined parameters are left out. */
export function jobSubresourcePath(
  namespace: string,
  job: string,
  subresource: 'log' | 'explain',
  parameters: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  const path = `${base}/namespaces/${encodeURIComponent(namespace)}/computejobs/${encodeURIComponent(job)}/${subresource}`;
  return text === '' ? path : `${path}?${text}`;
}

export const orphansPath = `${base}/orphans`;
