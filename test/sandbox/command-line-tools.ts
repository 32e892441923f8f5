/**
 * The real kubectl and helm, where they can be had (`npm run tools`, or LUMBUNG_TOOLS_DIR), against an embedded API server.
 * Without them the suites skip and say so; in CI that is a failure.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'vitest';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { type ApiServer, createApiServer } from '../../src/sandbox/apiserver/api-server.ts';
import type { KubeconfigUser } from '../../src/sandbox/apiserver/transport/listening.ts';

const directory = process.env['LUMBUNG_TOOLS_DIR'] ?? path.join(import.meta.dirname, '..', '..', '.cache', 'tools');

export function toolPath(tool: 'kubectl' | 'helm'): string | undefined {
  const file = path.join(directory, tool);
  return existsSync(file) ? file : undefined;
}

/** Runs the suite with the tools, skips it loudly without them. */
export function describeWithTools(name: string, tools: readonly ('kubectl' | 'helm')[], suite: () => void): void {
  const missing = tools.filter((tool) => toolPath(tool) === undefined);
  if (missing.length === 0) {
    describe(name, suite);
    return;
  }
  const why = `${missing.join(' and ')} not found in ${directory}; npm run tools fetches them`;
  if (process.env['CI'] === 'true') {
    it(`${name}: tools are there`, () => {
      throw new Error(why);
    });
    return;
  }
  console.warn(`skipped: ${name} (${why})`);
  describe.skip(name, suite);
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Shell {
  readonly server: ApiServer;
  /** A folder of its own, removed at the end. */
  readonly home: string;
  /** Fails the test with the program's own words unless it exits 0. */
  kubectl(...args: readonly string[]): Promise<string>;
  helm(...args: readonly string[]): Promise<string>;
  /** For commands that are to fail, or whose errors matter. */
  run(tool: 'kubectl' | 'helm', args: readonly string[], input?: string): Promise<Finished>;
  /** Starts kubectl, gathers its output until `until` is in it, then stops it. */
  follow(args: readonly string[], until: string, meanwhile: () => Promise<void>): Promise<string>;
  file(name: string, text: string): string;
  kubeconfigFor(name: string, user: KubeconfigUser): Promise<string>;
  stop(): Promise<void>;
}

const LIMIT_MS = 15_000;

function environment(home: string): NodeJS.ProcessEnv {
  return {
    HOME: home,
    KUBECONFIG: path.join(home, 'kubeconfig'),
    PATH: `${directory}:/usr/bin:/bin`,
    KUBECTL_EXTERNAL_DIFF: 'diff -u',
  };
}

function finish(home: string, file: string, args: readonly string[], input: string | undefined): Promise<Finished> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { env: environment(home), timeout: LIMIT_MS, cwd: home }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out, err });
    });
    child.stdin?.end(input ?? '');
  });
}

function followOutput(
  home: string,
  args: readonly string[],
  until: string,
  meanwhile: () => Promise<void>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(toolPath('kubectl') ?? '', args, { env: environment(home), stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let started = false;
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
    }, LIMIT_MS);
    const take = (chunk: Buffer): void => {
      out += chunk.toString();
      if (!started) {
        started = true;
        meanwhile().catch(reject);
      }
      if (out.includes(until)) child.kill('SIGTERM');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('close', () => {
      clearTimeout(timer);
      if (out.includes(until)) resolve(out);
      else reject(new Error(`kubectl ${args.join(' ')} never said ${JSON.stringify(until)}: ${out}`));
    });
  });
}

/** A server over HTTPS, and the tools pointed at it. */
export async function startShell(): Promise<Shell> {
  const server = createApiServer({ clock: systemClock(), random: systemRandom() });
  const listening = await server.listen();
  const home = mkdtempSync(path.join(tmpdir(), 'lumbung-tools-'));
  const file = (name: string, text: string): string => {
    const target = path.join(home, name);
    writeFileSync(target, text, { mode: 0o600 });
    return target;
  };
  file('kubeconfig', await listening.kubeconfig());
  const run: Shell['run'] = (tool, args, input) => finish(home, toolPath(tool) ?? '', args, input);
  const must = async (tool: 'kubectl' | 'helm', args: readonly string[]): Promise<string> => {
    const { code, out, err } = await run(tool, args);
    if (code !== 0) throw new Error(`${tool} ${args.join(' ')} exited ${code}: ${err}${out}`);
    return out;
  };
  return {
    server,
    home,
    run,
    file,
    kubectl: (...args) => must('kubectl', args),
    helm: (...args) => must('helm', args),
    follow: (args, until, meanwhile) => followOutput(home, args, until, meanwhile),
    kubeconfigFor: async (name, user) => file(name, await listening.kubeconfig(user)),
    stop: async () => {
      await server.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
