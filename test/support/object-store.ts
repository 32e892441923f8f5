/**
 * A small S3-style object store that plays the tenant's own: PUT, GET, and a listing by prefix under one bucket, each
 * request signed with the tenant's key. It keeps objects in memory and refuses what is not signed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface ObjectStore {
  readonly url: string;
  readonly keyId: string;
  readonly secret: string;
  /** Keys with their sizes in bytes, sorted. */
  list(): readonly { readonly key: string; readonly bytes: number }[];
  get(key: string): string | undefined;
  readonly refused: number;
  stop(): Promise<void>;
}

const maxObjectBytes = 8 * 1024 * 1024;

export async function startObjectStore(options: {
  readonly bucket: string;
  readonly keyId: string;
  readonly secret: string;
}): Promise<ObjectStore> {
  const objects = new Map<string, string>();
  let refused = 0;
  const server = createServer((request, response) => {
    void serve(request, response).catch(() => {
      response.writeHead(500).end();
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const body = await readBody(request);
    if (body === undefined) {
      response.writeHead(413).end();
      return;
    }
    const own = `/${options.bucket}`;
    if (!path.startsWith(`${own}/`) || !signed(request, path.slice(own.length), options)) {
      refused += 1;
      response.writeHead(403).end();
      return;
    }
    const url = new URL(path.slice(own.length), 'http://store.invalid');
    if (url.pathname === '/') {
      const prefix = url.searchParams.get('prefix') ?? '';
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify([...objects.keys()].filter((key) => key.startsWith(prefix)).sort()));
      return;
    }
    const key = url.pathname.slice(1);
    if (request.method === 'PUT') {
      objects.set(key, body);
      response.writeHead(200).end();
      return;
    }
    const found = objects.get(key);
    response.writeHead(found === undefined ? 404 : 200).end(found);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/${options.bucket}`,
    keyId: options.keyId,
    secret: options.secret,
    list: () =>
      [...objects].map(([key, value]) => ({ key, bytes: value.length })).sort((a, b) => (a.key < b.key ? -1 : 1)),
    get: (key) => objects.get(key),
    get refused() {
      return refused;
    },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > maxObjectBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function signed(
  request: IncomingMessage,
  path: string,
  keys: { readonly keyId: string; readonly secret: string },
): boolean {
  const date = String(request.headers['x-date']);
  const wanted = createHmac('sha256', keys.secret)
    .update(`${request.method ?? ''}\n${path}\n${date}`)
    .digest('hex');
  const given = String(request.headers.authorization);
  const expected = `HMAC-SHA256 ${keys.keyId}:${wanted}`;
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
