/**
 * Which images a pod template would run. Reads raw JSON that nobody has validated: a container without a readable image
 * counts with an empty name, which no pattern and no digest rule allows.
 */

const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;

/** Images of all containers, each once, in the order of the template. */
export function templateImages(template: unknown): readonly string[] {
  const spec = asObject(asObject(template)?.['spec']);
  const images = new Set<string>();
  for (const list of CONTAINER_LISTS) {
    const containers = spec?.[list];
    if (!Array.isArray(containers)) continue;
    for (const container of containers) {
      const image = asObject(container)?.['image'];
      images.add(typeof image === 'string' ? image : '');
    }
  }
  return [...images];
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
