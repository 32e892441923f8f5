import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPod } from '../../../../src/agent/runs/template/build-pod.ts';
import { checkTemplate } from '../../../../src/agent/runs/template/check-template.ts';
import { PATH_TABLE } from '../../../../src/agent/runs/template/path-table.ts';
import { runName } from '../../../../src/api/v1alpha1/child-names.ts';
import { readPodSpec, readPodTemplate } from '../../../../src/core/model/pod-requests.ts';
import type { RunOrder } from '../../../../src/core/model/run.ts';
import { anOrder } from '../../../support/agent-builders.ts';
import { guestPodViolations } from '../../../support/guest-pod-invariants.ts';
import { RULES } from '../../../support/keeper-rig.ts';

const GRACE = 30;
const allowed = (order: RunOrder): Parameters<typeof guestPodViolations>[1] => ({
  gpuContainer: 'main',
  gpuResource: 'nvidia.com/gpu',
  gpus: order.gpusPerWorker,
  maxGraceSeconds: GRACE,
  copyPrefix: runName(order.id),
});

function build(template: unknown, order = anOrder(), rules = RULES): ReturnType<typeof buildPod> | undefined {
  const { podSecurity, allowedTemplatePaths: allowedPaths } = rules;
  const checked = checkTemplate(template, { podSecurity, allowedPaths, graceSeconds: GRACE });
  return checked.ok ? buildPod(checked.value, order, { rules, graceSeconds: GRACE }) : undefined;
}

type Env = readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
function envOf(pod: ReturnType<typeof build>, index = 0): Env {
  return (pod?.spec['containers'] as readonly { readonly env: Env }[])[index]?.env ?? [];
}

describe('the pod that runs here', () => {
  const template = {
    spec: {
      containers: [
        { name: 'main', image: 'i' },
        { name: 'side', image: 'j', resources: { requests: { cpu: '2' } } },
      ],
    },
  };

  it('asks for exactly what the hub has fitted, plus its GPUs', () => {
    const order = { ...anOrder({ gpusPerWorker: 2 }), template };
    const pod = build(template, order);
    const asked = readPodTemplate(template, { gpuContainer: 'main' });
    const asks = readPodSpec(pod?.spec);
    expect(asks.ok && asked.ok && asks.value.requests).toEqual({
      ...(asked.ok ? asked.value.requests : {}),
      'nvidia.com/gpu': 2,
      cpu: 2000,
      memory: 0,
      'ephemeral-storage': 0,
    });
  });

  it('gives GPUs to one container and hides devices from the others', () => {
    const pod = build(template);
    expect(guestPodViolations(pod as never, allowed(anOrder()))).toEqual([]);
    expect(envOf(pod, 1)).toContainEqual({ name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' });
    expect(envOf(pod, 0).map((one) => one.name)).not.toContain('NVIDIA_VISIBLE_DEVICES');
  });

  it('tells workers of a gang where they find each other', () => {
    const order = anOrder({ workers: 4, gpusPerWorker: 8 });
    const env = new Map(envOf(build(template, order)).map((one) => [one.name, one.value ?? one.valueFrom]));
    const name = runName(order.id);
    const index = { fieldRef: { fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']" } };
    expect(env.get('MASTER_ADDR')).toBe(`${name}-0.${name}`);
    expect(env.get('RANK')).toEqual(index);
    expect(env.get('NODE_RANK')).toEqual(index);
    expect(env.get('PET_NODE_RANK')).toEqual(index);
    expect([env.get('WORLD_SIZE'), env.get('PET_NNODES'), env.get('PET_NPROC_PER_NODE')]).toEqual(['4', '4', '8']);
    expect([env.get('LUMBUNG_FENCE'), env.get('LUMBUNG_MEMBER'), env.get('LUMBUNG_ATTEMPT')]).toEqual([
      '1',
      'member-a',
      '1',
    ]);
    expect(build(template, order)?.spec['subdomain']).toBe(name);
  });

  it('leaves rendezvous to the tenant where the job says so', () => {
    const own = { spec: { containers: [{ name: 'main', image: 'i', env: [{ name: 'RANK', value: '7' }] }] } };
    const names = envOf(build(own, { ...anOrder(), rendezvous: 'None' })).map((one) => one.name);
    expect(names.filter((name) => name === 'RANK')).toHaveLength(1);
    expect(names).not.toContain('WORLD_SIZE');
    expect(envOf(build(own)).filter((one) => one.name === 'RANK')).toMatchObject([{ valueFrom: {} }]);
  });

  it('takes the rules of the owner: tolerations, node selector, runtime class', () => {
    const rules = {
      ...RULES,
      runtimeClassName: 'kata',
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
      nodeSelector: { lend: 'yes' },
    };
    const pod = build({ spec: { ...template.spec, nodeSelector: { zone: 'a', lend: 'no' } } }, anOrder(), rules);
    expect(pod?.spec).toMatchObject({
      runtimeClassName: 'kata',
      tolerations: rules.tolerations,
      nodeSelector: { zone: 'a', lend: 'yes' },
    });
  });

  it('shows what it clamped', () => {
    expect(
      build(template, { ...anOrder(), checkpointGraceMs: 90_000 })?.metadata.annotations['lumbung.dev/clamped'],
    ).toBe('checkpointGrace from 90s to 30s');
    expect(build(template)?.metadata.annotations['lumbung.dev/clamped']).toBeUndefined();
  });

  it('fills no more than the namespace asks for, and lets an owner allow privileged containers', () => {
    const baseline = build(template, anOrder(), { ...RULES, podSecurity: 'baseline' });
    expect(baseline?.spec['securityContext']).toEqual({ seccompProfile: { type: 'RuntimeDefault' } });
    const privileged = { spec: { containers: [{ name: 'main', image: 'i', securityContext: { privileged: true } }] } };
    const rules = {
      ...RULES,
      podSecurity: 'privileged',
      allowedTemplatePaths: ['spec.containers.securityContext.privileged'],
    } as const;
    const [container] = build(privileged, anOrder(), rules)?.spec['containers'] as readonly {
      readonly securityContext: unknown;
    }[];
    expect(container?.securityContext).toEqual({ privileged: true });
  });
});

describe('hostile templates', () => {
  /** Values that try to reach out, at every path that is known and some that are not. */
  const poison = fc.constantFrom<unknown>(
    true,
    false,
    0,
    1,
    -1,
    86_400,
    'all',
    'Always',
    'host',
    '',
    'system-node-critical',
    null,
    [],
    {},
    ['SYS_ADMIN'],
    [{ name: 'x', value: 'y' }],
    [{ operator: 'Exists' }],
    { path: '/' },
    { name: 'stolen' },
    { secretName: 'stolen' },
    { 'nvidia.com/gpu': 8 },
    { 'rdma/hca': 1 },
    { cpu: '1' },
    { a: 'b' },
    { 'k8s.io/x': 'y' },
    { type: 'Unconfined' },
    { add: ['ALL'] },
  );
  const paths = [
    ...PATH_TABLE.keys(),
    'spec.volumes.nfs',
    'spec.volumes.csi',
    'spec.volumes.iscsi',
    'spec.containers.restartPolicyRules',
    'spec.new',
    'metadata.new',
    'spec.containers.env.valueFrom.fileKeyRef',
    'spec.volumes.projected.sources.other',
    'spec.resources.limits',
  ];
  const LISTS = [
    'containers',
    'initContainers',
    'volumes',
    'env',
    'envFrom',
    'ports',
    'volumeMounts',
    'sources',
    'items',
    'imagePullSecrets',
    'hostAliases',
  ];

  function plant(template: Record<string, unknown>, path: string, value: unknown): void {
    const parts = path.split('.');
    let at = template;
    parts.forEach((part, i) => {
      if (i === parts.length - 1) {
        at[part] = value;
        return;
      }
      const isList = LISTS.includes(part);
      const found = at[part];
      if (isList) {
        const list = (Array.isArray(found) ? found : []) as Record<string, unknown>[];
        if (list[0] === undefined || typeof list[0] !== 'object')
          list[0] = { name: part === 'containers' ? 'main' : `a-${part}` };
        at[part] = list;
        at = list[0];
      } else {
        if (typeof found !== 'object' || found === null || Array.isArray(found)) at[part] = {};
        at = at[part] as Record<string, unknown>;
      }
    });
  }

  it('never become a pod that breaks an invariant', () => {
    const crimes = fc.array(fc.tuple(fc.constantFrom(...paths), poison), { minLength: 1, maxLength: 5 });
    let built = 0;
    fc.assert(
      fc.property(
        crimes,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 3 }),
        (planted, gpusPerWorker, workers) => {
          const template: Record<string, unknown> = { spec: { containers: [{ name: 'main', image: 'i' }] } };
          for (const [path, value] of planted) plant(template, path, structuredClone(value));
          const order = anOrder({ gpusPerWorker, workers });
          const pod = build(JSON.parse(JSON.stringify(template)), order);
          if (pod === undefined) return;
          built += 1;
          const names = (pod.spec['containers'] as readonly { readonly name?: unknown }[]).map(
            (container) => container.name,
          );
          // A template without its GPU container is refused by the gate.
          if (!names.includes('main')) return;
          expect(guestPodViolations(pod as never, allowed(order)), JSON.stringify(template)).toEqual([]);
        },
      ),
      { numRuns: 4000 },
    );
    expect(built).toBeGreaterThan(200);
  });

  it('of any shape whatever are refused or harmless, and never throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const pod = build({ spec: { containers: [{ name: 'main', image: 'i' }], ...(value as object) } });
        if (pod === undefined) return;
        expect(guestPodViolations(pod as never, allowed(anOrder()))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
    for (const odd of [
      undefined,
      null,
      1,
      'x',
      [],
      { spec: [] },
      { spec: { containers: 'x' } },
      { spec: { containers: [null] } },
    ]) {
      expect(build(odd)).toBeUndefined();
    }
  });
});
