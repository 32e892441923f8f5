/**
 * The pod template inside a ComputeJob: the paths that the product reads are structural, the rest is preserved unread, so
 * that a Kubernetes newer than this code loses nothing. What a tenant may set is decided at the member, not here.
 * Invariant: no container names a GPU resource itself.
 */
import { z } from 'zod';
import { labelName, list, mapOf, openObject, quantity, stringMap, text, withRules } from '../schema/fields.ts';
import type { DeepReadonly } from '../schema/kube-object.ts';

/** Beginnings of extended resource names that stand for GPUs or shares of them. */
export const GPU_RESOURCE_PREFIXES = ['nvidia.com/gpu', 'nvidia.com/mig-', 'amd.com/gpu', 'gpu.intel.com/'] as const;

export function isGpuResource(name: string): boolean {
  return GPU_RESOURCE_PREFIXES.some((prefix) => name.startsWith(prefix));
}

function resourceList(description: string) {
  return withRules(mapOf(description, quantity('Amount of one resource.'), 32), [
    {
      rule: `self.all(name, !(${GPU_RESOURCE_PREFIXES.map((prefix) => `name.startsWith('${prefix}')`).join(' || ')}))`,
      message: 'must not name a GPU resource: GPUs are requested by spec.gpusPerWorker',
      holds: (resources) => !Object.keys(resources).some(isGpuResource),
    },
  ]);
}

function container(description: string) {
  return openObject(description, {
    name: labelName('Name of the container.'),
    image: z.exactOptional(text('Image of the container.', { max: 1024 })),
    command: z.exactOptional(
      list("Entry point; replaces the image's.", text('One word.', { max: 65_536 }), { max: 256 }),
    ),
    args: z.exactOptional(list('Arguments of the entry point.', text('One word.', { max: 65_536 }), { max: 1024 })),
    env: z.exactOptional(
      list(
        'Environment variables.',
        openObject('One variable; valueFrom and what else Kubernetes knows is kept.', {
          name: text('Name of the variable.', { min: 1, max: 1024 }),
          value: z.exactOptional(text('Its value.', { max: 131_072 })),
        }),
        { max: 1024, type: 'map', key: 'name' },
      ),
    ),
    resources: z.exactOptional(
      openObject('CPU, memory and other resources of the container, without GPUs.', {
        limits: z.exactOptional(resourceList('Most that the container may use.')),
        requests: z.exactOptional(resourceList('What is set aside for the container.')),
      }),
    ),
  });
}

export const podTemplate = openObject(
  'The pod of one worker, as in a Kubernetes Job. A change applies to the next run.',
  {
    metadata: z.exactOptional(
      openObject('Labels and annotations of the pods.', {
        labels: z.exactOptional(stringMap('Labels of the pods.')),
        annotations: z.exactOptional(stringMap('Annotations of the pods.')),
      }),
    ),
    spec: openObject('The pod, as in Kubernetes. Fields not listed here are kept; the member may refuse them.', {
      containers: list('Containers of the pod.', container('One container.'), {
        min: 1,
        max: 16,
        type: 'map',
        key: 'name',
      }),
      initContainers: z.exactOptional(
        list('Containers that run before the others.', container('One init container.'), {
          max: 16,
          type: 'map',
          key: 'name',
        }),
      ),
    }),
  },
);

export type PodTemplate = DeepReadonly<z.output<typeof podTemplate>>;
