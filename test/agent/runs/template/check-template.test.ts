import { describe, expect, it } from 'vitest';
import { checkTemplate, problemsText, type TemplateRules } from '../../../../src/agent/runs/template/check-template.ts';

const RULES: TemplateRules = { podSecurity: 'restricted', graceSeconds: 30, allowedPaths: [] };
const main = { name: 'main', image: 'registry.example/a:1' };

function problemsOf(template: unknown, rules: Partial<TemplateRules> = {}): readonly string[] {
  const checked = checkTemplate(template, { ...RULES, ...rules });
  return checked.ok ? [] : checked.error.map((problem) => problem.path);
}
const withSpec = (spec: Record<string, unknown>): unknown => ({ spec: { containers: [main], ...spec } });
const withMain = (fields: Record<string, unknown>): unknown => ({ spec: { containers: [{ ...main, ...fields }] } });

describe('a template that acts inside its pod only', () => {
  it.each([
    ['plain', withSpec({})],
    [
      'with environment, probes and volumes',
      {
        metadata: {
          labels: { app: 'x', 'app.kubernetes.io/name': 'x' },
          annotations: { note: 'hello', 'sandbox.lumbung.dev/duration': '2s' },
        },
        spec: {
          initContainers: [{ ...main, name: 'init', restartPolicy: 'Always' }],
          containers: [
            {
              ...main,
              command: ['python'],
              args: ['train.py'],
              env: [
                { name: 'A', value: 'b' },
                { name: 'S', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
              ],
              envFrom: [{ configMapRef: { name: 'c' } }],
              resources: {
                requests: { cpu: '1', memory: '1Gi', 'hugepages-2Mi': '4Mi' },
                limits: { 'ephemeral-storage': '1Gi' },
              },
              volumeMounts: [{ name: 'v', mountPath: '/data', readOnly: true }],
              readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 5 },
              lifecycle: { preStop: { exec: { command: ['save'] } } },
              securityContext: { runAsUser: 1000, capabilities: { drop: ['ALL'] }, allowPrivilegeEscalation: false },
              ports: [{ containerPort: 80 }],
            },
          ],
          volumes: [
            { name: 'v', emptyDir: { sizeLimit: '1Gi' } },
            { name: 'c', configMap: { name: 'c', items: [{ key: 'a', path: 'b' }] } },
            { name: 's', secret: { secretName: 's' } },
            { name: 'p', projected: { sources: [{ configMap: { name: 'c' } }, { secret: { name: 's' } }] } },
            { name: 'd', downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          ],
          nodeSelector: { zone: 'a' },
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [] }] },
            },
          },
          imagePullSecrets: [{ name: 'pull' }],
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 10,
          automountServiceAccountToken: false,
          hostNetwork: false,
          securityContext: { runAsNonRoot: true, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
        },
      },
    ],
    [
      'with nulls, as some tools write them',
      { metadata: { creationTimestamp: null }, spec: { containers: [main], volumes: null, hostPID: null } },
    ],
  ])('passes: %s', (_what, template) => {
    expect(problemsOf(template)).toEqual([]);
  });
});

describe('a template that reaches beyond its pod', () => {
  it.each([
    ['spec.nodeName', withSpec({ nodeName: 'node-1' })],
    ['spec.schedulerName', withSpec({ schedulerName: 'mine' })],
    ['spec.priorityClassName', withSpec({ priorityClassName: 'system-node-critical' })],
    ['spec.priority', withSpec({ priority: 1 })],
    ['spec.preemptionPolicy', withSpec({ preemptionPolicy: 'PreemptLowerPriority' })],
    ['spec.serviceAccountName', withSpec({ serviceAccountName: 'admin' })],
    ['spec.serviceAccount', withSpec({ serviceAccount: 'admin' })],
    ['spec.automountServiceAccountToken', withSpec({ automountServiceAccountToken: true })],
    ['spec.hostNetwork', withSpec({ hostNetwork: true })],
    ['spec.hostPID', withSpec({ hostPID: true })],
    ['spec.hostIPC', withSpec({ hostIPC: true })],
    ['spec.hostUsers', withSpec({ hostUsers: true })],
    ['spec.tolerations', withSpec({ tolerations: [{ operator: 'Exists' }] })],
    ['spec.terminationGracePeriodSeconds', withSpec({ terminationGracePeriodSeconds: 86_400 })],
    ['spec.terminationGracePeriodSeconds', withSpec({ terminationGracePeriodSeconds: 0 })],
    ['spec.restartPolicy', withSpec({ restartPolicy: 'Always' })],
    ['spec.ephemeralContainers', withSpec({ ephemeralContainers: [main] })],
    ['spec.resourceClaims', withSpec({ resourceClaims: [{ name: 'gpu' }] })],
    ['spec.schedulingGates', withSpec({ schedulingGates: [{ name: 'hold' }] })],
    ['spec.runtimeClassName', withSpec({ runtimeClassName: 'nvidia' })],
    ['spec.dnsPolicy', withSpec({ dnsPolicy: 'Default' })],
    ['spec.dnsConfig', withSpec({ dnsConfig: { nameservers: ['10.0.0.1'] } })],
    ['spec.topologySpreadConstraints', withSpec({ topologySpreadConstraints: [] })],
    ['spec.affinity.podAntiAffinity', withSpec({ affinity: { podAntiAffinity: {} } })],
    ['spec.somethingNew', withSpec({ somethingNew: 1 })],
    ['spec.volumes[0].hostPath', withSpec({ volumes: [{ name: 'x', hostPath: { path: '/' } }] })],
    [
      'spec.volumes[0].persistentVolumeClaim',
      withSpec({ volumes: [{ name: 'x', persistentVolumeClaim: { claimName: 'c' } }] }),
    ],
    ['spec.volumes[0].nfs', withSpec({ volumes: [{ name: 'x', nfs: { server: 's', path: '/' } }] })],
    ['spec.volumes[0].csi', withSpec({ volumes: [{ name: 'x', csi: { driver: 'd' } }] })],
    [
      'spec.volumes[0].projected.sources[0].serviceAccountToken',
      withSpec({ volumes: [{ name: 'x', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] }),
    ],
    ['spec.securityContext.sysctls', withSpec({ securityContext: { sysctls: [{ name: 'a', value: 'b' }] } })],
    ['spec.securityContext.runAsUser', withSpec({ securityContext: { runAsUser: 0 } })],
    [
      'spec.securityContext.seccompProfile.type',
      withSpec({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
    ],
    ['metadata.finalizers', { metadata: { finalizers: ['x/y'] }, spec: { containers: [main] } }],
    ['metadata.ownerReferences', { metadata: { ownerReferences: [] }, spec: { containers: [main] } }],
    ['metadata.namespace', { metadata: { namespace: 'kube-system' }, spec: { containers: [main] } }],
    [
      'metadata.labels.lumbung.dev/guest',
      { metadata: { labels: { 'lumbung.dev/guest': 'false' } }, spec: { containers: [main] } },
    ],
    [
      'metadata.labels.sidecar.istio.io/inject',
      { metadata: { labels: { 'sidecar.istio.io/inject': 'true' } }, spec: { containers: [main] } },
    ],
    [
      'metadata.annotations.cluster-autoscaler.kubernetes.io/safe-to-evict',
      {
        metadata: { annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } },
        spec: { containers: [main] },
      },
    ],
    ['spec.containers[0].securityContext.privileged', withMain({ securityContext: { privileged: true } })],
    [
      'spec.containers[0].securityContext.allowPrivilegeEscalation',
      withMain({ securityContext: { allowPrivilegeEscalation: true } }),
    ],
    [
      'spec.containers[0].securityContext.capabilities.add',
      withMain({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }),
    ],
    ['spec.containers[0].securityContext.procMount', withMain({ securityContext: { procMount: 'Unmasked' } })],
    ['spec.containers[0].env[0].name', withMain({ env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] })],
    ['spec.containers[0].env[0].name', withMain({ env: [{ name: 'LUMBUNG_FENCE', value: '9' }] })],
    [
      'spec.containers[0].env[0].valueFrom.fileKeyRef',
      withMain({ env: [{ name: 'A', valueFrom: { fileKeyRef: {} } }] }),
    ],
    ['spec.containers[0].ports[0].hostPort', withMain({ ports: [{ containerPort: 1, hostPort: 1 }] })],
    [
      'spec.containers[0].resources.limits.nvidia.com/gpu',
      withMain({ resources: { limits: { 'nvidia.com/gpu': 8 } } }),
    ],
    ['spec.containers[0].resources.requests.rdma/hca', withMain({ resources: { requests: { 'rdma/hca': 1 } } })],
    ['spec.containers[0].resources.claims', withMain({ resources: { claims: [{ name: 'x' }] } })],
    [
      'spec.containers[0].volumeMounts[0].mountPropagation',
      withMain({ volumeMounts: [{ name: 'v', mountPath: '/', mountPropagation: 'Bidirectional' }] }),
    ],
    ['spec.containers[0].volumeDevices', withMain({ volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] })],
    [
      'spec.containers[0].livenessProbe.httpGet.host',
      withMain({ livenessProbe: { httpGet: { host: '169.254.169.254', port: 80 } } }),
    ],
    [
      'spec.initContainers[0].securityContext.privileged',
      withSpec({ initContainers: [{ ...main, name: 'i', securityContext: { privileged: true } }] }),
    ],
    ['spec.containers', { spec: { containers: [] } }],
    ['spec', {}],
    ['template', 'a text'],
    ['status', { spec: { containers: [main] }, status: {} }],
  ])('is refused at %s', (path, template) => {
    expect(problemsOf(template)).toContain(path);
  });

  it('is told the path, what is allowed and how much more is wrong, but no value', () => {
    const checked = checkTemplate(
      withMain({ env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'hush' }], securityContext: { privileged: true } }),
      RULES,
    );
    const text = checked.ok ? '' : problemsText(checked.error);
    expect(text).toContain('template.spec.containers[0].env[0].name must not be set');
    expect(text).toContain('(and 1 more)');
    expect(text).not.toContain('hush');
  });
});

describe('the owner may open paths', () => {
  it.each([
    ['spec.volumes.hostPath', withSpec({ volumes: [{ name: 'x', hostPath: { path: '/data' } }] })],
    [
      'spec.containers.securityContext',
      withMain({ securityContext: { privileged: true, capabilities: { add: ['SYS_ADMIN'] } } }),
    ],
    ['spec.somethingNew', withSpec({ somethingNew: { deep: [1] } })],
    ['spec.somethingNew.deep', withSpec({ somethingNew: { deep: 1 } })],
    ['spec.tolerations', withSpec({ tolerations: [{ operator: 'Exists' }] })],
    ['spec.containers.resources', withMain({ resources: { limits: { 'rdma/hca': 1 } } })],
    [
      'metadata.annotations',
      { metadata: { annotations: { 'k8s.v1.cni.cncf.io/networks': 'x' } }, spec: { containers: [main] } },
    ],
  ])('%s', (path, template) => {
    expect(problemsOf(template)).not.toEqual([]);
    expect(problemsOf(template, { allowedPaths: [path] })).toEqual([]);
  });

  it.each([
    ['spec', withSpec({ nodeName: 'node-1' })],
    ['spec.priorityClassName', withSpec({ priorityClassName: 'system-node-critical' })],
    ['spec.containers', withMain({ env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] })],
    ['spec.containers.env', withMain({ env: [{ name: 'LUMBUNG_FENCE', value: '1' }] })],
    ['spec.containers.resources', withMain({ resources: { limits: { 'nvidia.com/gpu': 1 } } })],
    ['metadata', { metadata: { finalizers: ['a'] }, spec: { containers: [main] } }],
    ['metadata.labels', { metadata: { labels: { 'lumbung.dev/fence': '7' } }, spec: { containers: [main] } }],
    ['spec.volumes.host', withSpec({ volumes: [{ name: 'x', hostPath: { path: '/' } }] })],
  ])('but %s opens nothing that would break placement, reclaim or fencing', (path, template) => {
    expect(problemsOf(template, { allowedPaths: [path] })).not.toEqual([]);
  });

  it('Pod Security baseline lets containers run as root', () => {
    const root = withSpec({ securityContext: { runAsUser: 0, runAsNonRoot: false } });
    expect(problemsOf(root)).toHaveLength(2);
    expect(problemsOf(root, { podSecurity: 'baseline' })).toEqual([]);
  });
});
