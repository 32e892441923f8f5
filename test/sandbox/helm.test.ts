import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithTools, type Shell, startShell } from './command-line-tools.ts';

const FILES: Readonly<Record<string, string>> = {
  'Chart.yaml': 'apiVersion: v2\nname: barn\nversion: 0.1.0\n',
  'values.yaml': 'sheaves: 3\n',
  'crds/barns.yaml': `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: barns.helm.example.com}
spec:
  group: helm.example.com
  scope: Namespaced
  names: {plural: barns, kind: Barn}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {sheaves: {type: integer, minimum: 1}}}
`,
  'templates/barn.yaml': `
apiVersion: helm.example.com/v1
kind: Barn
metadata: {name: "{{ .Release.Name }}"}
spec: {sheaves: {{ .Values.sheaves }}}
`,
  'templates/deployment.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.sheaves }}
  selector: {matchLabels: {app: barn}}
  template:
    metadata: {labels: {app: barn}}
    spec: {containers: [{name: main, image: busybox, ports: [{containerPort: 80}]}]}
`,
  'templates/access.yaml': `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ .Release.Name }}"}
rules: [{apiGroups: [helm.example.com], resources: [barns], verbs: [get]}]
---
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}"}
stringData: {key: "{{ .Values.sheaves }}"}
`,
};

describeWithTools('helm against the embedded API server', ['kubectl', 'helm'], () => {
  let shell: Shell;
  let chart: string;

  beforeAll(async () => {
    shell = await startShell();
    chart = path.join(shell.home, 'barn');
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(path.dirname(path.join(chart, name)), { recursive: true });
      writeFileSync(path.join(chart, name), text);
    }
  });

  afterAll(async () => {
    await shell.stop();
  });

  const sheaves = (): Promise<string> =>
    shell.kubectl('get', 'barns.helm.example.com', 'rice', '-o', 'jsonpath={.spec.sheaves}');

  it('installs a chart with a definition and an object of its kind, upgrades, rolls back and uninstalls it', async () => {
    expect(await shell.helm('install', 'rice', chart)).toContain('STATUS: deployed');
    expect(await sheaves()).toBe('3');
    expect(await shell.helm('list', '--no-headers')).toMatch(/^rice\s+default\s+1\s.*deployed/);

    await shell.helm('upgrade', 'rice', chart, '--set', 'sheaves=5');
    expect(await sheaves()).toBe('5');
    expect(await shell.kubectl('get', 'deployment', 'rice', '-o', 'jsonpath={.spec.replicas}')).toBe('5');

    const refused = await shell.run('helm', ['upgrade', 'rice', chart, '--set', 'sheaves=0']);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain('spec.sheaves in body should be greater than or equal to 1');
    expect(await sheaves()).toBe('5');

    await shell.helm('rollback', 'rice', '1');
    expect(await sheaves()).toBe('3');
    const history = await shell.helm('history', 'rice', '-o', 'json');
    expect((JSON.parse(history) as { status: string }[]).map((entry) => entry.status)).toEqual([
      'superseded',
      'superseded',
      'failed',
      'deployed',
    ]);

    expect(await shell.helm('uninstall', 'rice')).toContain('uninstalled');
    expect(await shell.kubectl('get', 'barns.helm.example.com,deploy,secret', '-o', 'name')).toBe('');
    expect(await shell.kubectl('get', 'crd', '-o', 'name')).toContain('barns.helm.example.com');
  });

  it('runs dry on the server and leaves no release', async () => {
    await shell.helm('install', 'wheat', chart, '--set', 'sheaves=1', '--dry-run=server');
    expect((await shell.run('helm', ['status', 'wheat'])).code).not.toBe(0);
  });
});
