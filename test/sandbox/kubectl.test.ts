import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithTools, type Shell, startShell } from './command-line-tools.ts';

const DEFINITION = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: barns.example.com
spec:
  group: example.com
  scope: Namespaced
  names: {plural: barns, kind: Barn, shortNames: [brn], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Sheaves, type: integer, jsonPath: .spec.sheaves}
    - {name: Phase, type: string, jsonPath: .status.phase}
    - {name: Note, type: string, jsonPath: .spec.note, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        description: A barn that many fill.
        properties:
          spec:
            type: object
            required: [sheaves]
            properties:
              sheaves: {type: integer, minimum: 1, description: 'Bundles of rice, counted.'}
              note: {type: string}
          status:
            type: object
            properties:
              phase: {type: string}
              conditions:
                type: array
                items: {type: object, properties: {type: {type: string}, status: {type: string}}}
`;

const barn = (name: string, sheaves: number, note = 'dry'): string =>
  `apiVersion: example.com/v1\nkind: Barn\nmetadata:\n  name: ${name}\nspec:\n  sheaves: ${sheaves}\n  note: ${note}\n`;

const JOB = `
apiVersion: batch/v1
kind: Job
metadata: {name: work, labels: {kind: sample}}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: busybox, command: [sleep, "1"]}
`;

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: loud}
spec:
  containers:
  - {name: main, image: busybox}
`;

describeWithTools('kubectl against the embedded API server', ['kubectl'], () => {
  let shell: Shell;

  beforeAll(async () => {
    shell = await startShell();
    shell.server.registerSubresource({ group: '', resource: 'pods', subresource: 'log' }, (call) => ({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: Buffer.from(`${call.name}/${call.query.get('container') ?? ''} says hello\n`),
    }));
    await shell.kubectl('apply', '-f', shell.file('crd.yaml', DEFINITION));
  });

  afterAll(async () => {
    await shell.stop();
  });

  describe('with kinds of our own', () => {
    it('waits for the definition and explains its fields', async () => {
      expect(await shell.kubectl('wait', '--for=condition=Established', 'crd/barns.example.com')).toContain(
        'condition met',
      );
      const explained = await shell.kubectl('explain', 'barns.spec.sheaves');
      expect(explained).toContain('FIELD: sheaves <integer>');
      expect(explained).toContain('Bundles of rice, counted.');
    });

    it('applies from the client side, diffs, and applies again without change', async () => {
      const file = shell.file('barn.yaml', barn('client', 3));
      expect(await shell.kubectl('apply', '-f', file)).toBe('barn.example.com/client created\n');
      expect(await shell.kubectl('apply', '-f', file)).toBe('barn.example.com/client unchanged\n');
      const changed = shell.file('barn2.yaml', barn('client', 4));
      const diff = await shell.run('kubectl', ['diff', '-f', changed]);
      expect(diff.code).toBe(1);
      expect(diff.out).toContain('+  sheaves: 4');
      expect(await shell.kubectl('apply', '-f', changed)).toBe('barn.example.com/client configured\n');
      expect(await shell.kubectl('diff', '-f', changed)).toBe('');
    });

    it('applies on the server side, tells of conflicts and forces them', async () => {
      const file = shell.file('barn.yaml', barn('server', 3));
      expect(await shell.kubectl('apply', '--server-side', '-f', file)).toContain('serverside-applied');
      const other = shell.file('other.yaml', barn('server', 9));
      const refused = await shell.run('kubectl', ['apply', '--server-side', '--field-manager=other', '-f', other]);
      expect(refused.code).toBe(1);
      expect(refused.err).toContain('conflict with "kubectl": .spec.sheaves');
      await shell.kubectl('apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', other);
      expect(await shell.kubectl('get', 'brn', 'server', '-o', 'jsonpath={.spec.sheaves}')).toBe('9');
    });

    it('moves from client-side to server-side apply', async () => {
      const file = shell.file('mover.yaml', barn('mover', 3));
      await shell.kubectl('apply', '-f', file);
      expect(await shell.kubectl('apply', '--server-side', '-f', file)).toContain('serverside-applied');
      await shell.kubectl('apply', '--server-side', '-f', shell.file('mover.yaml', barn('mover', 5)));
      const managers = await shell.kubectl(
        'get',
        'brn',
        'mover',
        '--show-managed-fields',
        '-o',
        'jsonpath={.metadata.managedFields[*].manager}',
      );
      expect(managers.split(' ')).toContain('kubectl');
      expect(managers).not.toContain('kubectl-client-side-apply');
    });

    it('refuses what the schema refuses, in the real words', async () => {
      const { code, err } = await shell.run('kubectl', ['apply', '-f', shell.file('bad.yaml', barn('bad', 0))]);
      expect(code).toBe(1);
      expect(err).toContain(
        'The Barn "bad" is invalid: spec.sheaves: Invalid value: 0: spec.sheaves in body should be greater than or equal to 1',
      );
      const typo = shell.file('typo.yaml', barn('typo', 1).replace('note:', 'noet:'));
      expect((await shell.run('kubectl', ['apply', '-f', typo])).err).toContain('unknown field "spec.noet"');
    });

    it('shows columns, wide ones when asked', async () => {
      await shell.kubectl('apply', '-f', shell.file('columns.yaml', barn('columns', 7, 'leaky')));
      const row = (await shell.kubectl('get', 'brn', 'columns')).split('\n');
      expect(row[0]).toMatch(/^NAME +SHEAVES +PHASE *$/);
      expect(row[1]).toMatch(/^columns +7/);
      expect(await shell.kubectl('get', 'brn', 'columns', '-o', 'wide')).toContain('leaky');
    });

    it('writes status through the subresource and waits for a condition', async () => {
      await shell.kubectl('apply', '-f', shell.file('waited.yaml', barn('waited', 1)));
      const patch = '{"status":{"phase":"Full","conditions":[{"type":"Full","status":"True"}]}}';
      const [waited] = await Promise.all([
        shell.kubectl('wait', '--for=condition=Full', 'brn/waited', '--timeout=10s'),
        shell.kubectl('patch', 'brn', 'waited', '--subresource=status', '--type=merge', '-p', patch),
      ]);
      expect(waited).toContain('condition met');
      expect(await shell.kubectl('wait', '--for=jsonpath={.status.phase}=Full', 'brn/waited')).toContain(
        'condition met',
      );
    });

    it('follows changes as they happen', async () => {
      await shell.kubectl('apply', '-f', shell.file('watched.yaml', barn('watched', 1)));
      const seen = await shell.follow(['get', 'brn', 'watched', '-w'], '42', async () => {
        await shell.kubectl('patch', 'brn', 'watched', '--type=merge', '-p', '{"spec":{"sheaves":42}}');
      });
      expect(seen.trim().split('\n')).toHaveLength(3);
    });

    it('describes an object with its events', async () => {
      await shell.kubectl('apply', '-f', shell.file('told.yaml', barn('told', 1)));
      const uid = await shell.kubectl('get', 'brn', 'told', '-o', 'jsonpath={.metadata.uid}');
      const event = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'told.1', namespace: 'default' },
        involvedObject: { apiVersion: 'example.com/v1', kind: 'Barn', name: 'told', namespace: 'default', uid },
        reason: 'Filled',
        message: 'seven sheaves came in',
        type: 'Normal',
        source: { component: 'farmer' },
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
        count: 1,
      };
      await shell.kubectl('create', '-f', shell.file('event.json', JSON.stringify(event)));
      const described = await shell.kubectl('describe', 'brn', 'told');
      expect(described).toContain('Sheaves:  1');
      expect(described).toMatch(/Normal +Filled .*farmer +seven sheaves came in/);
      expect(await shell.kubectl('get', 'events')).toMatch(/Normal +Filled +barn\/told +seven sheaves/);
    });
  });

  describe('with built-in kinds', () => {
    it.each([
      ['merge', '{"metadata":{"labels":{"patched":"merge"}}}'],
      ['json', '[{"op":"add","path":"/metadata/labels/patched","value":"json"}]'],
      ['strategic', '{"metadata":{"labels":{"patched":"strategic"}}}'],
    ])('patches in the %s language', async (type, patch) => {
      await shell.kubectl('apply', '-f', shell.file('job.yaml', JOB));
      await shell.kubectl('patch', 'job', 'work', `--type=${type}`, '-p', patch);
      expect(await shell.kubectl('get', 'job', 'work', '-o', 'jsonpath={.metadata.labels.patched}')).toBe(type);
    });

    it('labels, annotates and selects', async () => {
      await shell.kubectl('create', 'configmap', 'labelled');
      await shell.kubectl('label', 'cm', 'labelled', 'tier=gold');
      await shell.kubectl('annotate', 'cm', 'labelled', 'note=well made');
      expect(await shell.kubectl('get', 'cm', '-l', 'tier=gold', '-o', 'name')).toBe('configmap/labelled\n');
      await shell.kubectl('label', 'cm', 'labelled', 'tier-');
      expect(await shell.kubectl('get', 'cm', '-l', 'tier=gold', '-o', 'name')).toBe('');
    });

    it('creates by protobuf: namespaces, config maps, secrets, jobs, roles, tokens', async () => {
      await shell.kubectl('create', 'namespace', 'proto');
      await shell.kubectl('create', 'configmap', 'words', '--from-literal=a=b', '-n', 'proto');
      expect(await shell.kubectl('get', 'cm', 'words', '-n', 'proto', '-o', 'jsonpath={.data.a}')).toBe('b');
      await shell.kubectl('create', 'secret', 'generic', 'hidden', '--from-literal=k=v', '-n', 'proto');
      expect(await shell.kubectl('get', 'secret', 'hidden', '-n', 'proto', '-o', 'jsonpath={.data.k}')).toBe('dg==');
      await shell.kubectl('create', 'job', 'once', '--image=busybox', '-n', 'proto', '--', 'sleep', '1');
      expect(
        await shell.kubectl(
          'get',
          'job',
          'once',
          '-n',
          'proto',
          '-o',
          'jsonpath={.spec.template.spec.containers[0].command}',
        ),
      ).toBe('["sleep","1"]');
      await shell.kubectl('create', 'role', 'reader', '--verb=get,list', '--resource=pods', '-n', 'proto');
      await shell.kubectl(
        'create',
        'rolebinding',
        'reader',
        '--role=reader',
        '--serviceaccount=proto:default',
        '-n',
        'proto',
      );
      const asAccount = '--as=system:serviceaccount:proto:default';
      expect(await shell.kubectl('auth', 'can-i', 'list', 'pods', '-n', 'proto', asAccount)).toBe('yes\n');
      expect((await shell.run('kubectl', ['auth', 'can-i', 'delete', 'pods', '-n', 'proto', asAccount])).out).toBe(
        'no\n',
      );
      const token = (await shell.kubectl('create', 'token', 'default', '-n', 'proto')).trim();
      const config = await shell.kubeconfigFor('account', { user: 'account', token });
      expect(
        await shell.kubectl('--kubeconfig', config, 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'),
      ).toBe('system:serviceaccount:proto:default');
      await shell.kubectl('delete', 'namespace', 'proto');
      expect((await shell.run('kubectl', ['get', 'ns', 'proto'])).err).toContain('namespaces "proto" not found');
    });

    it('refuses people without rights, and strangers', async () => {
      const bob = await shell.kubeconfigFor('bob', { user: 'bob', groups: ['farmers'] });
      const refused = await shell.run('kubectl', ['--kubeconfig', bob, 'get', 'pods']);
      expect(refused.err).toContain(
        'User "bob" cannot list resource "pods" in API group "" in the namespace "default"',
      );
      const stranger = await shell.kubeconfigFor('stranger', { user: 'stranger', token: 'made-up' });
      expect((await shell.run('kubectl', ['--kubeconfig', stranger, 'get', 'pods'])).err).toContain('Unauthorized');
    });

    it('runs dry on the server and stores nothing', async () => {
      const file = shell.file('dry.yaml', POD.replace('loud', 'dry'));
      expect(await shell.kubectl('apply', '--dry-run=server', '-f', file)).toBe('pod/dry created (server dry run)\n');
      expect((await shell.run('kubectl', ['get', 'pod', 'dry'])).err).toContain('pods "dry" not found');
    });

    it('shows pods and reads their logs', async () => {
      await shell.kubectl('apply', '-f', shell.file('pod.yaml', POD));
      expect(await shell.kubectl('get', 'pods', 'loud')).toMatch(
        /^NAME +READY +STATUS +RESTARTS +AGE\nloud +0\/1 +Pending +0/,
      );
      expect(await shell.kubectl('logs', 'loud')).toBe('loud/main says hello\n');
      expect(await shell.kubectl('describe', 'pod', 'loud')).toContain('Image:        busybox');
    });

    it('deletes, and waits until finalizers let go', async () => {
      await shell.kubectl('apply', '-f', shell.file('held.yaml', POD.replace('loud', 'held')));
      await shell.kubectl(
        'patch',
        'pod',
        'held',
        '--type=merge',
        '-p',
        '{"metadata":{"finalizers":["example.com/hold"]}}',
      );
      const [deleted] = await Promise.all([
        shell.kubectl('delete', 'pod', 'held', '--timeout=10s'),
        (async () => {
          await shell.kubectl('wait', '--for=jsonpath={.metadata.deletionTimestamp}', 'pod/held', '--timeout=10s');
          await shell.kubectl('patch', 'pod', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
        })(),
      ]);
      expect(deleted).toContain('pod "held" deleted');
    });

    it('lists what is served, and everything there is', async () => {
      const resources = await shell.kubectl('api-resources');
      expect(resources).toMatch(/barns +brn +example\.com\/v1 +true +Barn/);
      expect(await shell.kubectl('get', 'all')).toContain('barn.example.com/');
      expect(await shell.kubectl('version')).toContain('+lumbung-sandbox');
    });
  });
});
