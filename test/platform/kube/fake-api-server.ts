/**
 * A loopback HTTP server with the list, watch, conflict and expiry semantics that the platform's Kubernetes clients rely on,
 * and with the faults that real ones show. It knows no kinds: whatever is put under a path is served.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { KubeObject } from '../../../src/platform/kube/object.ts';

export type FakeObject = KubeObject & Readonly<Record<string, unknown>>;

interface Address {
  collection: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

interface Watcher {
  address: Address;
  response: ServerResponse;
}

interface Change {
  version: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  collection: string;
  object: FakeObject;
}

export interface SeenRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Fault {
  /** Answers with this status instead of serving. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** Destroys the socket without an answer. */
  reset?: boolean;
  /** Never answers. */
  hang?: boolean;
  /** Serves the request, then destroys the socket instead of answering. */
  loseAnswer?: boolean;
  /** How many requests it hits; default 1. */
  times?: number;
  /** Only requests for which this holds. */
  when?: (request: SeenRequest) => boolean;
}

const kinds: Readonly<Record<string, string>> = { pods: 'Pod', nodes: 'Node', leases: 'Lease', events: 'Event' };

export class FakeApiServer {
  readonly requests: SeenRequest[] = [];
  version = 100;
  /** Watches from before this version answer 410. */
  compactedAt = 0;
  /** Open watches hear of no change, as when what they wait for was forgotten. */
  muted = false;
  private readonly objects = new Map<string, FakeObject>();
  private readonly history: Change[] = [];
  private readonly watchers = new Set<Watcher>();
  private readonly sockets = new Set<Socket>();
  private readonly snapshots = new Map<string, FakeObject[]>();
  private faults: Fault[] = [];
  private server: Server | undefined;
  private port = 0;
  private uids = 0;

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    await fake.listen();
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get openWatches(): number {
    return this.watchers.size;
  }

  /** Listens again on the same port after `refuse`. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.serve(request, response));
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** From now on connections are refused; open ones are reset. */
  async refuse(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    this.resetConnections();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async stop(): Promise<void> {
    await this.refuse();
  }

  resetConnections(): void {
    for (const socket of this.sockets) socket.destroy();
    this.watchers.clear();
  }

  fail(fault: Fault): void {
    this.faults.push({ times: 1, ...fault });
  }

  clearFaults(): void {
    this.faults = [];
  }

  /** Creates or updates an object; returns it as stored. */
  put(collection: string, object: KubeObject): FakeObject {
    const key = keyOf(collection, object.metadata.namespace, nameOf(object));
    const old = this.objects.get(key);
    this.version += 1;
    const uid = object.metadata.uid ?? old?.metadata.uid ?? `uid-${(this.uids += 1)}`;
    const stored: FakeObject = {
      apiVersion: 'v1',
      kind: kinds[collection] ?? collection,
      ...object,
      metadata: { ...object.metadata, name: nameOf(object), uid, resourceVersion: String(this.version) },
    };
    this.objects.set(key, stored);
    this.changed({ version: this.version, type: old === undefined ? 'ADDED' : 'MODIFIED', collection, object: stored });
    return stored;
  }

  remove(collection: string, namespace: string | undefined, name: string): void {
    const key = keyOf(collection, namespace, name);
    const old = this.objects.get(key);
    if (old === undefined) return;
    this.objects.delete(key);
    this.version += 1;
    const object = { ...old, metadata: { ...old.metadata, resourceVersion: String(this.version) } };
    this.changed({ version: this.version, type: 'DELETED', collection, object });
  }

  get(collection: string, namespace: string | undefined, name: string): FakeObject | undefined {
    return this.objects.get(keyOf(collection, namespace, name));
  }

  /** Ends every watch as a server does at its timeout. */
  closeWatches(): void {
    for (const watcher of this.watchers) watcher.response.end();
    this.watchers.clear();
  }

  /** Sends a raw line to every watch. */
  sendToWatches(line: string): void {
    for (const watcher of this.watchers) watcher.response.write(`${line}\n`);
  }

  bookmark(): void {
    this.sendToWatches(
      JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.version) } } }),
    );
  }

  /** Forgets the history: older versions are Expired from now on. */
  compact(): void {
    this.compactedAt = this.version;
    this.history.length = 0;
    this.snapshots.clear();
  }

  /** A copy of everything, to be restored later as from a backup. */
  backup(): { version: number; objects: [string, FakeObject][] } {
    return { version: this.version, objects: [...this.objects] };
  }

  restore(backup: { version: number; objects: [string, FakeObject][] }): void {
    this.version = backup.version;
    this.objects.clear();
    for (const [key, object] of backup.objects) this.objects.set(key, object);
    this.history.length = 0;
    this.compactedAt = 0;
  }

  private changed(change: Change): void {
    this.history.push(change);
    if (this.muted) return;
    for (const watcher of this.watchers) if (matches(watcher.address, change)) send(watcher.response, change);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = await readRequest(request);
    this.requests.push(seen);
    const fault = this.takeFault(seen);
    if (fault?.hang === true) return;
    if (fault?.reset === true) return void request.socket.destroy();
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
      response.end(fault.body ?? JSON.stringify({ kind: 'Status', message: 'made to fail', code: fault.status }));
      return;
    }
    if (fault?.loseAnswer === true) {
      this.handle(seen, new LostResponse(request) as unknown as ServerResponse);
      return void request.socket.destroy();
    }
    this.handle(seen, response);
  }

  private takeFault(seen: SeenRequest): Fault | undefined {
    const fault = this.faults.find((each) => (each.times ?? 0) > 0 && (each.when?.(seen) ?? true));
    if (fault !== undefined) fault.times = (fault.times ?? 1) - 1;
    return fault;
  }

  private handle(seen: SeenRequest, response: ServerResponse): void {
    const address = parsePath(seen.path);
    if (address === undefined) answer(response, 404, statusBody(404, 'NotFound', 'no such path'));
    else if (address.subresource === 'log') {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('line one\nline two\n');
    } else if (seen.method === 'POST') this.create(address, seen.body, response);
    else if (address.name !== undefined) this.handleObject(seen, { ...address, name: address.name }, response);
    else if (seen.query.get('watch') === 'true') this.watch(address, seen.query, response);
    else this.list(address, seen.query, response);
  }

  private handleObject(seen: SeenRequest, address: Address & { name: string }, response: ServerResponse): void {
    const { collection, namespace, name } = address;
    const stored = this.get(collection, namespace, name);
    if (stored === undefined) {
      answer(response, 404, statusBody(404, 'NotFound', `${name} not found`));
      return;
    }
    switch (seen.method) {
      case 'GET':
        answer(response, 200, stored);
        break;
      case 'DELETE':
        this.remove(collection, namespace, name);
        answer(response, 200, { kind: 'Status', status: 'Success' });
        break;
      case 'PUT':
        this.replace(JSON.parse(seen.body) as FakeObject, stored, collection, response);
        break;
      default: {
        const patch = JSON.parse(seen.body) as Record<string, unknown>;
        answer(response, 200, this.put(collection, { ...stored, ...patch, metadata: stored.metadata }));
      }
    }
  }

  private replace(next: FakeObject, stored: FakeObject, collection: string, response: ServerResponse): void {
    const version = next.metadata.resourceVersion;
    if (version === undefined || version === stored.metadata.resourceVersion) {
      answer(response, 200, this.put(collection, next));
    } else answer(response, 409, statusBody(409, 'Conflict', 'the object has been modified'));
  }

  private create(address: Address, body: string, response: ServerResponse): void {
    const object = JSON.parse(body) as FakeObject;
    if (this.get(address.collection, address.namespace, nameOf(object)) !== undefined) {
      answer(response, 409, statusBody(409, 'AlreadyExists', `${nameOf(object)} already exists`));
      return;
    }
    answer(response, 201, this.put(address.collection, object));
  }

  private list(address: Address, query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? '0');
    const token = query.get('continue');
    const [id = '', offsetText = '0'] = token?.split('|') ?? [];
    let items: FakeObject[] | undefined;
    if (token === null) {
      items = [...this.objects]
        .filter(([key]) => key.startsWith(`${address.collection}|`))
        .map(([, object]) => object)
        .filter((object) => address.namespace === undefined || object.metadata.namespace === address.namespace);
    } else items = this.snapshots.get(id);
    if (items === undefined) {
      answer(response, 410, statusBody(410, 'Expired', 'the continue token is too old'));
      return;
    }
    const offset = Number(offsetText);
    const page = limit > 0 ? items.slice(offset, offset + limit) : items;
    const metadata: Record<string, unknown> = { resourceVersion: String(this.version) };
    if (offset + page.length < items.length) {
      const snapshot = token === null ? `snapshot-${this.snapshots.size}-${this.version}` : id;
      this.snapshots.set(snapshot, items);
      metadata['continue'] = `${snapshot}|${offset + page.length}`;
    }
    // As real servers do, without apiVersion and kind in items.
    const bare = page.map(({ apiVersion: _apiVersion, kind: _kind, ...rest }) => rest);
    answer(response, 200, { kind: 'List', apiVersion: 'v1', metadata, items: bare });
  }

  private watch(address: Address, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? '0');
    if (from < this.compactedAt) {
      answer(response, 410, statusBody(410, 'Expired', 'too old resource version'));
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const change of this.history) {
      if (change.version > from && matches(address, change)) send(response, change);
    }
    const watcher = { address, response };
    this.watchers.add(watcher);
    response.on('close', () => this.watchers.delete(watcher));
  }
}

/** Takes an answer and loses it. */
class LostResponse {
  private readonly request: IncomingMessage;
  constructor(request: IncomingMessage) {
    this.request = request;
  }
  writeHead(): void {
    // The answer is made, and nobody gets it.
  }
  end(): void {
    this.request.socket.destroy();
  }
}

/** A generated name is made here, as servers do. */
function nameOf(object: KubeObject): string {
  return object.metadata.name ?? `${object.metadata.generateName ?? ''}generated`;
}

function keyOf(collection: string, namespace: string | undefined, name: string): string {
  return `${collection}|${namespace ?? ''}/${name}`;
}

function matches(address: Address, change: Change): boolean {
  if (address.collection !== change.collection) return false;
  return address.namespace === undefined || address.namespace === change.object.metadata.namespace;
}

function send(response: ServerResponse, change: Change): void {
  response.write(`${JSON.stringify({ type: change.type, object: change.object })}\n`);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function statusBody(code: number, reason: string, message: string): Record<string, unknown> {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

function parsePath(path: string): Address | undefined {
  const match =
    /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    );
  if (match === null) return undefined;
  const [, namespace, collection = '', name, subresource] = match;
  return { collection, namespace, name, subresource };
}

async function readRequest(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const url = new URL(request.url ?? '/', 'http://fake');
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
