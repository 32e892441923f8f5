/** The charts by the real helm against an embedded API server: every object is one that an API server takes. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { describeWithTools, type Finished, type Shell, startShell } from './command-line-tools.ts';

const charts = path.resolve(import.meta.dirname, '../../helm');
const hub = path.join(charts, 'lumbung-hub');
const agent = path.join(charts, 'lumbung-agent');
const inSystem = ['--namespace', 'lumbung-system'];
const set = (...values: readonly string[]): string[] => values.flatMap((value) => ['--set', value]);
const caSha256 = 'ab'.repeat(32);
/** As `lumbung member invite` prints it. */
const invitation = set(
  'member=north',
  'hub.address=hub.example:7443',
  'hub.enrolmentAddress=hub.example:7444',
  `hub.caSha256=${caSha256}`,
  'token=sLg0vyQ3-_used-once',
);

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: Readonly<Record<string, unknown>>;
}

describeWithTools('the charts', ['kubectl', 'helm'], () => {
  let shell: Shell;
  beforeAll(async () => {
    shell = await startShell();
  });
  afterAll(async () => {
    await shell.stop();
  });

  async function rendered(chart: string, ...args: readonly string[]): Promise<Manifest[]> {
    const text = await shell.helm('template', path.basename(chart), chart, ...inSystem, ...args);
    const documents = parseAllDocuments(text).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Manifest | null;
    });
    return documents.filter((object) => object !== null);
  }
  const kinds = (objects: readonly Manifest[]): string[] => objects.map(({ kind }) => kind);
  const deployment = (objects: readonly Manifest[]): string =>
    JSON.stringify(objects.find(({ kind }) => kind === 'Deployment')?.spec);

  describe('render', () => {
    it.each([
      ['lumbung-hub', hub, []],
      ['lumbung-agent', agent, invitation],
    ])('%s passes helm lint without a warning', async (_name, chart, values) => {
      const out = await shell.helm('lint', chart, '--strict', ...values);
      expect(out).toContain('0 chart(s) failed');
      expect(out).not.toMatch(/\[(WARNING|ERROR)\]/);
    });

    it('makes a ServiceMonitor only where that kind is served', async () => {
      expect(kinds(await rendered(hub))).not.toContain('ServiceMonitor');
      const api = ['--api-versions', 'monitoring.coreos.com/v1/ServiceMonitor'];
      expect(kinds(await rendered(hub, ...api))).toContain('ServiceMonitor');
      expect(kinds(await rendered(agent, ...api, ...invitation))).toContain('ServiceMonitor');
      const off = set('metrics.serviceMonitor.enabled=false');
      expect(kinds(await rendered(hub, ...api, ...off))).not.toContain('ServiceMonitor');
    });

    it('makes a disruption budget only for several pods', async () => {
      expect(kinds(await rendered(hub, ...set('replicas=2')))).toContain('PodDisruptionBudget');
      expect(kinds(await rendered(agent, ...invitation, ...set('replicas=2')))).toContain('PodDisruptionBudget');
      expect(kinds(await rendered(hub))).not.toContain('PodDisruptionBudget');
    });

    it('leaves out what is switched off', async () => {
      const off = set('crds.install=false', 'rbac.create=false', 'rbac.userRoles=false', 'networkPolicy.enabled=false');
      expect([...new Set(kinds(await rendered(hub, ...off)))].sort()).toEqual([
        'Deployment',
        'Service',
        'ServiceAccount',
      ]);
    });

    it('tells the hub every name that agents use, and advertises the first with the port of the Service', async () => {
      const text = deployment(
        await rendered(hub, ...set('federation.serverNames={hub.example,2001:db8::1}', 'federation.service.port=443')),
      );
      expect(text).toContain('--server-names=hub.example,2001:db8::1,lumbung-hub.lumbung-system.svc"');
      expect(text).toContain('--advertised-federation-address=hub.example:443"');
      expect(text).toContain('--advertised-enrolment-address=hub.example:7444"');
    });

    it('turns settings into flags, lists by commas', async () => {
      const hubText = deployment(
        await rendered(hub, ...set('settings.reportInterval=2s', 'settings.commitConcurrency=8')),
      );
      expect(hubText).toContain('"--report-interval=2s"');
      expect(hubText).toContain('"--commit-concurrency=8"');
      const ranges = set('settings.protectedCidrs={10.0.0.1/32,10.9.0.0/16}');
      expect(deployment(await rendered(agent, ...invitation, ...ranges))).toContain(
        '"--protected-cidrs=10.0.0.1/32,10.9.0.0/16"',
      );
    });

    it('takes the token by value or from a Secret that is there, and lets no other object show it', async () => {
      const byValue = await rendered(agent, ...invitation);
      const secret = byValue.find(({ kind }) => kind === 'Secret');
      expect(secret).toMatchObject({ stringData: { token: 'sLg0vyQ3-_used-once' } });
      expect(JSON.stringify(byValue.filter((object) => object !== secret))).not.toContain('sLg0vyQ3');
      expect(deployment(byValue)).toContain('"secretName":"lumbung-agent-invitation"');

      const given = set('token=', 'existingTokenSecret.name=mine', 'existingTokenSecret.key=t');
      const byReference = await rendered(agent, ...invitation, ...given);
      expect(kinds(byReference)).not.toContain('Secret');
      expect(deployment(byReference)).toContain('"secretName":"mine"');
      expect(deployment(byReference)).toContain('{"key":"t","path":"token"}');
      expect(deployment(byReference)).toContain('--token-file=/etc/lumbung/invitation/token');

      const joined = await rendered(agent, ...invitation, ...set('token='));
      expect(deployment(joined)).not.toContain('token-file');
    });

    it('lets the agent out to the ports of its hub and its API server alone', async () => {
      const objects = await rendered(agent, ...invitation, ...set('hub.address=a.example:9443\\,[2001:db8::1]:443'));
      const policy = objects.find(({ kind }) => kind === 'NetworkPolicy');
      const egress = policy?.spec?.['egress'] as readonly { readonly ports: readonly { readonly port: number }[] }[];
      expect(egress.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual([
        443, 6443, 8443, 9443, 7444, 53, 53,
      ]);
    });

    it('limits the hub to the Secrets of named namespaces when asked', async () => {
      const objects = await rendered(hub, ...set('references.namespaces={team-a,team-b}'));
      const bindings = objects.filter(({ metadata }) => metadata.name === 'lumbung-hub-references');
      expect(kinds(bindings).sort()).toEqual(['ClusterRole', 'RoleBinding', 'RoleBinding']);
    });
  });

  describe('bad values', () => {
    const refused = (chart: string, ...values: readonly string[]): Promise<Finished> =>
      shell.run('helm', ['template', 'x', chart, ...inSystem, ...values]);

    it.each([
      ['a value that does not exist', hub, ['replica=2'], "additional properties 'replica' not allowed"],
      ['no pod', hub, ['replicas=0'], '/replicas'],
      ['a port that is none', hub, ['federation.service.port=70000'], '/federation/service/port'],
      ['a name with a port', hub, ['federation.serverNames={hub.example:7443}'], '/federation/serverNames/0'],
      ['an address without a port', hub, ['federation.advertisedAddress=hub.example'], '/federation/advertisedAddress'],
      ['a setting that does not exist', hub, ['settings.reportIntervall=5s'], "'reportIntervall' not allowed"],
      ['a duration without a unit', hub, ['settings.reportInterval=5'], '/settings/reportInterval'],
      ['a tag in the place of a digest', hub, ['image.digest=latest'], '/image/digest'],
      ['a hub without a port', agent, ['hub.address=hub.example'], '/hub/address'],
      ['a fingerprint cut short', agent, ['hub.caSha256=abcd'], '/hub/caSha256'],
      ['a member in capitals', agent, ['member=North'], '/member'],
      ['no member', agent, ['member='], 'member: must be the name that this cluster was invited by'],
      ['no hub', agent, ['hub.address='], 'hub.address: must be host:port of the hub'],
      ['two tokens', agent, ['existingTokenSecret.name=mine'], 'must not be set together with token'],
      ['a token without a fingerprint', agent, ['hub.caSha256='], 'hub.caSha256: must be the fingerprint'],
      ['a policy that is not created', agent, ['lendingPolicy.spec.paused=true'], 'lendingPolicy.create is false'],
    ])('%s is refused by its name', async (_name, chart, values, why) => {
      const { code, err } = await refused(chart, ...(chart === agent ? invitation : []), ...set(...values));
      expect(code).not.toBe(0);
      expect(err).toContain(why);
    });

    it('a member named by a number is a name all the same', async () => {
      expect(deployment(await rendered(agent, ...invitation, ...set('member=42')))).toContain('"--member=42"');
    });
  });

  describe('on an API server', () => {
    const get = (...args: readonly string[]): Promise<string> => shell.kubectl('get', ...args);

    it('the hub is installed, upgraded and uninstalled; its kinds and their objects stay', async () => {
      const out = await shell.helm(
        'install',
        'lumbung-hub',
        hub,
        ...inSystem,
        '--create-namespace',
        ...set('replicas=2'),
      );
      expect(out).toContain('lumbung-hub.lumbung-system.svc:7443');
      expect(out).toContain('That name is known inside this cluster only');
      const crds = readdirSync(path.join(hub, 'files/crds')).map((file) => file.replace('.yaml', '.lumbung.dev'));
      expect((await get('crd', ...crds, '-o', 'name')).trim().split('\n')).toHaveLength(3);
      expect(await get('pdb,deploy', ...inSystem, '-o', 'name')).toContain('poddisruptionbudget.policy/lumbung-hub');
      const pool = shell.file(
        'pool.yaml',
        'apiVersion: lumbung.dev/v1alpha1\nkind: GpuPool\nmetadata: {name: all}\nspec: {memberSelector: {matchLabels: {tier: gold}}}\n',
      );
      await shell.kubectl('apply', '-f', pool);

      await shell.kubectl(
        'label',
        'crd',
        'gpupools.lumbung.dev',
        'app.kubernetes.io/part-of=somebody-elses',
        '--overwrite',
      );
      const names = set('federation.serverNames={hub.example}');
      const upgraded = await shell.helm('upgrade', 'lumbung-hub', hub, ...inSystem, ...names, '--force-conflicts');
      expect(upgraded).toContain('hub.example:7443');
      const label = ['-o', 'jsonpath={.metadata.labels.app\\.kubernetes\\.io/part-of}'];
      expect(await get('crd', 'gpupools.lumbung.dev', ...label)).toBe('lumbung');
      expect(await get('pdb', ...inSystem, '-o', 'name')).toBe('');

      await shell.helm('uninstall', 'lumbung-hub', ...inSystem);
      expect(await get('deploy,svc,netpol,rolebinding,role,sa', ...inSystem, '-o', 'name')).not.toContain('lumbung');
      expect(await get('clusterrole,clusterrolebinding', '-o', 'name')).not.toContain('lumbung');
      expect(await get('gpupool', 'all', '-o', 'name')).toBe('gpupool.lumbung.dev/all\n');

      await shell.helm('install', 'lumbung-hub', hub, ...inSystem);
      expect(await get('gpupool', 'all', '-o', 'name')).toBe('gpupool.lumbung.dev/all\n');
      await shell.helm('uninstall', 'lumbung-hub', ...inSystem);
    });

    it("the agent is installed with its owner's policy, which upgrades change and nothing takes away", async () => {
      const policy = set('lendingPolicy.create=true', 'lendingPolicy.spec.jurisdiction=ID');
      const all = [...inSystem, ...invitation, ...policy];
      await shell.helm('install', 'lumbung-agent', agent, '--create-namespace', ...all);
      const grace = (): Promise<string> => get('lendingpolicy', 'default', '-o', 'jsonpath={.spec.reclaimGrace}');
      expect(await grace()).toBe('60s');
      expect(await get('secret', 'lumbung-agent-invitation', ...inSystem, '-o', 'name')).toContain('invitation');
      const policies = await get('validatingadmissionpolicy,validatingadmissionpolicybinding', '-o', 'name');
      expect(policies.trim().split('\n')).toHaveLength(6);

      // The kind is served by now: the policy that came as a hook becomes part of the release.
      await shell.helm('upgrade', 'lumbung-agent', agent, ...all, ...set('lendingPolicy.spec.reclaimGrace=30s'));
      expect(await grace()).toBe('30s');
      await shell.helm('rollback', 'lumbung-agent', '1', ...inSystem);
      expect(await get('lendingpolicy', 'default', '-o', 'name')).toContain('default');
      await shell.helm(
        'upgrade',
        'lumbung-agent',
        agent,
        ...all,
        ...set('lendingPolicy.spec.reclaimGrace=20s', 'token='),
      );
      expect(await grace()).toBe('20s');
      expect(await get('secret', ...inSystem, '-o', 'name')).not.toContain('invitation');

      await shell.helm('uninstall', 'lumbung-agent', ...inSystem);
      expect(await get('clusterrole,clusterrolebinding', '-o', 'name')).not.toContain('lumbung');
      expect(await grace()).toBe('20s');
      await shell.helm('install', 'lumbung-agent', agent, ...all, ...set('lendingPolicy.spec.reclaimGrace=10s'));
      expect(await grace()).toBe('10s');
      await shell.helm('uninstall', 'lumbung-agent', ...inSystem);
    });

    it.each(['install-hub', 'install-agent'])('manifests/%s.yaml is what kubectl apply takes, twice', async (file) => {
      const manifest = path.resolve(charts, '../manifests', `${file}.yaml`);
      await shell.kubectl('apply', '--server-side', '--force-conflicts', '-f', manifest);
      await shell.kubectl('apply', '--server-side', '-f', manifest);
      await shell.kubectl('delete', '-f', manifest, '--wait=false', '--ignore-not-found');
    });
  });
});
