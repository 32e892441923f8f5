import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Federation, runCommand } from '../support/federation.ts';
import { secondsAgent, secondsHub } from '../support/jobs.ts';
import { toolsDir } from '../support/tools.ts';
import { applyFile } from '../support/yaml-objects.ts';

const readme = await readFile('README.md', 'utf8');
const blocks = (info: string): readonly string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${info}\n([^]*?)^\`\`\``, 'gm'))].map((match) => match[1] ?? '');
const tools = toolsDir();

describe.skipIf(tools === undefined)('the tour of the README', () => {
  let federation: Federation;
  let env: Record<string, string>;

  beforeAll(async () => {
    // What `npm run demo -- --keep` leaves behind, without the story.
    federation = await Federation.start({
      members: ['aurora', 'borealis', 'cumulus'].map((name) => ({
        name,
        jurisdiction: 'ID',
        nodes: [{ name: `${name}-1`, gpuModel: 'H100-80GB', gpus: 8 }],
      })),
      hubSettings: secondsHub,
      agentSettings: secondsAgent,
    });
    for (const sample of ['pool', 'training', 'waiting']) {
      await applyFile(federation.hubCluster.client, `manifests/samples/${sample}.yaml`);
    }
    await federation.whenJob('team-a', 'training', (status) => status.phase === 'Succeeded');
    await federation.whenJob('team-b', 'too-big', (status) => status.queue?.reason !== undefined);
    const bin = join(federation.dir, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'lumbung'), `#!/bin/sh\nexec node ${resolve('dist/cli.js')} "$@"\n`);
    await chmod(join(bin, 'lumbung'), 0o755);
    env = {
      KUBECONFIG: federation.hubCluster.kubeconfig,
      PATH: `${bin}:${tools ?? ''}:${process.env['PATH'] ?? ''}`,
      HOME: federation.dir,
    };
  });

  afterAll(async () => {
    await federation.stop();
  });

  it('has blocks to run', () => {
    expect(blocks('sh tour').length).toBeGreaterThanOrEqual(3);
  });

  it('runs, command by command', async () => {
    for (const line of blocks('sh tour').flatMap((block) => block.trim().split('\n'))) {
      const result = await runCommand('sh', ['-c', line], env);
      console.log(`$ ${line}\n${result.stdout}${result.stderr}`);
      expect(result.code, `${line}\n${result.stderr}`).toBe(0);
      expect(result.stdout, line).not.toBe('');
    }
  });

  it('can be followed on the members, too', async () => {
    const member = federation.member('aurora');
    const result = await runCommand('kubectl', ['get', 'guestruns,pods', '--all-namespaces'], {
      ...env,
      KUBECONFIG: member.kubeconfig,
    });
    expect(result.code, result.stderr).toBe(0);
  });
});

describe('the other commands of the README', () => {
  it('are what continuous integration runs', async () => {
    const ci = await readFile('.ci/run', 'utf8');
    const commands = blocks('sh')
      .flatMap((block) => block.trim().split('\n'))
      .map((line) => line.replace(/\s+#.*/, ''));
    expect(commands).toEqual(['npm ci && npm run demo', 'npm test']);
    for (const command of ['npm ci', 'npm run --silent demo', 'npm test']) expect(ci).toContain(command);
  });

  it('show the settings of both programs', async () => {
    const sketch = blocks('sh sketch').join('\n');
    for (const program of ['hub', 'agent']) {
      expect(sketch).toContain(`node dist/${program}.js --help`);
      const help = await runCommand(process.execPath, [`dist/${program}.js`, '--help'], {});
      expect(help.code).toBe(0);
      expect(help.stdout).toContain('--kubeconfig');
    }
  });
});
