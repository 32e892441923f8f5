/**
 * The pod template inside a ComputeJob: the paths that the product reads are structural, the rest is preserved unread, so
 * that a Kubernetes newer than this code loses nothing. What a tenant may set is decided at the member, not here.
 * Invariant: no container names a GPU resource itself.
 */
import { z } from 'zod';
import { labelName, list, mapOf, openObject, quantity, labelMap, text, withRules } from '../schema/fields.ts';

/** Extended resources that stand for GPUs or parts of them, as core/model/gpu knows them, in a form that CEL computes cheaply. */
const GPU_RESOURCES = {
  names: ['nvidia.com/gpu', 'nvidia.com/pgpu', 'amd.com/gpu'],
  prefixes: [
    'nvidia.com/gpu.',
    'nvidia.com/pgpu.',
    'nvidia.com/mig-',
    'amd.com/gpu.',
    'amd.com/spx_nps',
    'amd.com/dpx_nps',
    'amd.com/tpx_nps',
    'amd.com/qpx_nps',
    'amd.com/cpx_nps',
    'gpu.intel.com/',
  ],
} as const;

/** Whether the API refuses the name in a template. What this list misses the hub's own reader of templates refuses. */
export function isRefusedResource(name: string): boolean {
  return GPU_RESOURCES.names.some((gpu) => gpu === name) || GPU_RESOURCES.prefixes.some((gpu) => name.startsWith(gpu));
}

const NAMES_NO_GPU = [
  `!(name in [${GPU_RESOURCES.names.map((name) => `'${name}'`).join(', ')}])`,
  ...GPU_RESOURCES.prefixes.map((prefix) => `!name.startsWith('${prefix}')`),
].join(' && ');

function resourceList(description: string) {
  return withRules(mapOf(description, quantity('Amount of one resource.'), 32), [
    {
      rule: `self.all(name, ${NAMES_NO_GPU})`,
      message: 'must not name a GPU resource: GPUs are requested by spec.gpusPerWorker',
      holds: (resources) => !Object.keys(resources).some(isRefusedResource),
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
        labels: z.exactOptional(labelMap('Labels of the pods.')),
        annotations: z.exactOptional(mapOf('Annotations of the pods.', z.string().max(262_144), 64)),
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
