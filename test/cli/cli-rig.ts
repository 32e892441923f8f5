/**
 * The command as a person runs it: argv in, output, notes and exit code out, over a real kubeconfig and real HTTP against a
 * hub API of a few objects in memory. A test adds answers of its own for paths of the aggregated API.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/app.ts';
import type { ExitCode } from '../../src/cli/cli-io.ts';

type Json = Record<string, unknown>;

export interface HubRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Json | undefined;
}

/** Answers instead of the store; false: not mine. */
export type Answer = (request: HubRequest, response: ServerResponse) => boolean;

export interface Ran {
  readonly code: ExitCode;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly notes: string;
}

export const memberPath = '/apis/lumbung.dev/v1alpha1/memberclusters';
export const hubInfoPath = '/api/v1/namespaces/lumbung-system/configmaps/lumbung-hub';

export class CliRig {
  /** By path. */
  readonly objects = new Map<string, Json>();
  readonly requests: HubRequest[] = [];
  answer: Answer = () => false;
  readonly interrupt = new AbortController();
  private readonly server: Server;
  private directory = '';

  private constructor() {
    this.server = createServer((request, response) => {
      void this.serve(request, response);
    });
  }

  static async start(): Promise<CliRig> {
    const rig = new CliRig();
    await new Promise<void>((resolve) => rig.server.listen(0, '127.0.0.1', resolve));
    rig.directory = await mkdtemp(join(tmpdir(), 'lumbung-cli-'));
    await writeFile(rig.kubeconfig, rig.kubeconfigFor((rig.server.address() as AddressInfo).port));
    rig.objects.set(hubInfoPath, {
      metadata: { name: 'lumbung-hub', namespace: 'lumbung-system' },
      data: {
        federationAddress: 'hub.example:7443',
        enrolmentAddress: 'hub.example:7444',
        caSha256: 'ab'.repeat(32),
        trustDomain: 'lumbung.local',
      },
    });
    return rig;
  }

  get kubeconfig(): string {
    return join(this.directory, 'config');
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A kubeconfig of another file in the rig's folder. */
  async writeKubeconfig(name: string, text: string): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, text);
    return path;
  }

  kubeconfigFor(port: number): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'hub',
      contexts: [
        { name: 'hub', context: { cluster: 'hub', user: 'me', namespace: 'team-a' } },
        { name: 'other', context: { cluster: 'hub', user: 'me', namespace: 'team-b' } },
      ],
      clusters: [{ name: 'hub', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'me', user: {} }],
    });
  }

  addMember(name: string, spec: Json = {}, status?: Json): void {
    this.objects.set(`${memberPath}/${name}`, {
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'MemberCluster',
      metadata: { name, uid: `uid-${name}`, labels: { tier: 'gold' } },
      spec: { accepted: false, cordoned: false, revoked: false, region: '', ...spec },
      ...(status === undefined ? {} : { status }),
    });
  }

  member(name: string): { readonly metadata: Json; readonly spec: Json } | undefined {
    return this.objects.get(`${memberPath}/${name}`) as never;
  }

  async run(...argv: string[]): Promise<Ran> {
    return this.runIn({ KUBECONFIG: this.kubeconfig }, ...argv);
  }

  async runIn(env: Readonly<Record<string, string>>, ...argv: string[]): Promise<Ran> {
    const out: string[] = [];
    const notes: string[] = [];
    const io = {
      out: (text: string) => out.push(`${text}\n`),
      note: (text: string) => notes.push(`${text}\n`),
      write: (bytes: Uint8Array) => {
        out.push(Buffer.from(bytes).toString('utf8'));
        return Promise.resolve();
      },
      color: false,
      env,
      signal: this.interrupt.signal,
    };
    const code = await runCli(argv, io, '1.2.3');
    return { code, out: out.join(''), notes: notes.join('') };
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://hub.invalid');
    const seen: HubRequest = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      body: text === '' ? undefined : (JSON.parse(text) as Json),
    };
    this.requests.push(seen);
    if (this.answer(seen, response)) return;
    this.store(seen, response);
  }

  private store({ method, path, body }: HubRequest, response: ServerResponse): void {
    if (method === 'GET' && path === memberPath) {
      const items = [...this.objects].filter(([key]) => key.startsWith(`${memberPath}/`)).map(([, object]) => object);
      sendJson(response, 200, { kind: 'MemberClusterList', apiVersion: 'lumbung.dev/v1alpha1', metadata: {}, items });
      return;
    }
    if (method === 'POST') {
      const key = `${path}/${String((body?.['metadata'] as Json)['name'])}`;
      this.objects.set(key, body ?? {});
      sendJson(response, 201, body);
      return;
    }
    const old = this.objects.get(path);
    if (old === undefined) {
      sendStatus(response, 404, 'NotFound', `memberclusters.lumbung.dev "${path.split('/').at(-1) ?? ''}" not found`);
      return;
    }
    if (method === 'PATCH') this.objects.set(path, merge(old, body ?? {}));
    if (method === 'DELETE') {
      // As with a finalizer: marked, and gone when a test says so.
      const marked = { ...(old['metadata'] as Json), deletionTimestamp: '2026-01-01T00:00:00Z' };
      this.objects.set(path, { ...old, metadata: marked });
    }
    sendJson(response, 200, this.objects.get(path));
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): true {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  return true;
}

export function sendStatus(response: ServerResponse, code: number, reason: string, message: string): true {
  return sendJson(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
}

function merge(old: Json, patch: Json): Json {
  const merged = { ...old };
  for (const [key, value] of Object.entries(patch)) {
    const before = merged[key];
    const both = isObject(value) && isObject(before);
    merged[key] = both ? merge(before, value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
