/** A thin client for contract tests: it hides nothing, so that statuses, headers and bodies can be looked at. */
import type { Body } from './answer-body.ts';
import type { KubeRequest, KubeTransport } from '../../src/platform/kube/transport.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON, or the text where it is none. */
  readonly body: Body;
}

export interface WatchedEvent {
  readonly type: string;
  readonly object: Body;
}

export interface OpenWatch {
  /** The next event; rejects when none comes in time or the watch ended. */
  next(withinMs?: number): Promise<WatchedEvent>;
  close(): Promise<void>;
}

export const JSON_BODY = 'application/json';
export const MERGE = 'application/merge-patch+json';
export const STRATEGIC = 'application/strategic-merge-patch+json';
export const JSON_PATCH = 'application/json-patch+json';
export const APPLY = 'application/apply-patch+yaml';

export interface ContractClient {
  call(method: KubeRequest['method'], path: string, options?: CallOptions): Promise<Answer>;
  get(path: string, accept?: string): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
  put(path: string, body: unknown): Promise<Answer>;
  patch(path: string, body: unknown, type: string): Promise<Answer>;
  apply(path: string, body: unknown, manager: string, force?: boolean): Promise<Answer>;
  delete(path: string, body?: unknown): Promise<Answer>;
  watch(path: string): Promise<OpenWatch>;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): Body {
  try {
    return JSON.parse(text) as Body;
  } catch {
    // Logs and health answers are plain text: compared as such.
    return text as unknown as Body;
  }
}

function withIn<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`not within ${ms} ms: ${what}`));
    }, ms);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

class LineWatch implements OpenWatch {
  private readonly iterator: AsyncIterator<Uint8Array>;
  private readonly abort: AbortController;
  private readonly ready: WatchedEvent[] = [];
  private rest = '';

  constructor(body: AsyncIterable<Uint8Array>, abort: AbortController) {
    this.iterator = body[Symbol.asyncIterator]();
    this.abort = abort;
  }

  async next(withinMs = 5000): Promise<WatchedEvent> {
    const event = this.ready.shift();
    if (event !== undefined) return event;
    await withIn(this.read(), withinMs, 'the next watch event');
    return this.next(withinMs);
  }

  async close(): Promise<void> {
    this.abort.abort();
    // An aborted stream may end or throw; either way it is closed.
    await this.iterator.return?.().catch(() => undefined);
  }

  private async read(): Promise<void> {
    const read = (await this.iterator.next()) as IteratorResult<Uint8Array, undefined>;
    if (read.done === true) throw new Error('the watch ended');
    this.rest += Buffer.from(read.value).toString();
    const lines = this.rest.split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.ready.push(JSON.parse(line) as WatchedEvent);
  }
}

export function contractClient(transport: KubeTransport): ContractClient {
  const call: ContractClient['call'] = async (method, path, options = {}) => {
    const response = await transport.request({
      method,
      path,
      headers: {
        accept: options.accept ?? JSON_BODY,
        'user-agent': 'contract/1',
        ...(options.body === undefined ? {} : { 'content-type': options.type ?? JSON_BODY }),
        ...options.headers,
      },
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
    });
    return { status: response.status, headers: response.headers, body: parsed(await textOf(response.body)) };
  };
  return {
    call,
    get: (path, accept) => call('GET', path, accept === undefined ? {} : { accept }),
    post: (path, body) => call('POST', path, { body }),
    put: (path, body) => call('PUT', path, { body }),
    patch: (path, body, type) => call('PATCH', path, { body, type }),
    apply: (path, body, manager, force = false) =>
      call('PATCH', `${path}?fieldManager=${manager}&force=${force}`, { body, type: APPLY }),
    delete: (path, body) => call('DELETE', path, body === undefined ? {} : { body }),
    watch: async (path) => {
      const abort = new AbortController();
      const headers = { accept: JSON_BODY, 'user-agent': 'contract/1' };
      const response = await transport.request({ method: 'GET', path, headers, signal: abort.signal });
      if (response.status !== 200)
        throw new Error(`watch ${path}: HTTP ${response.status} ${await textOf(response.body)}`);
      return new LineWatch(response.body, abort);
    },
  };
}
