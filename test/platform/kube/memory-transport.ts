/**
 * A KubeTransport in memory with create, read and compare-and-swap replace of objects, for elections on virtual time.
 * A link to it can be cut, and can lose answers after the write took effect.
 */
import type { Clock } from '../../../src/platform/clock/clock.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from '../../../src/platform/kube/transport.ts';

export class MemoryCluster {
  readonly objects = new Map<string, KubeObject>();
  private version = 0;

  handle(request: KubeRequest): { status: number; body: unknown } {
    const [path = ''] = request.path.split('?');
    if (request.method === 'POST') {
      const object = JSON.parse(String(request.body)) as KubeObject;
      const key = `${path}/${object.metadata.name ?? ''}`;
      if (this.objects.has(key)) return refused(409, 'AlreadyExists');
      return { status: 201, body: this.store(key, object) };
    }
    const stored = this.objects.get(path);
    if (stored === undefined) return refused(404, 'NotFound');
    if (request.method === 'GET') return { status: 200, body: stored };
    if (request.method === 'DELETE') {
      this.objects.delete(path);
      return { status: 200, body: {} };
    }
    const next = JSON.parse(String(request.body)) as KubeObject;
    if (next.metadata.resourceVersion !== stored.metadata.resourceVersion) return refused(409, 'Conflict');
    return { status: 200, body: this.store(path, next) };
  }

  private store(key: string, object: KubeObject): KubeObject {
    this.version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    this.objects.set(key, stored);
    return stored;
  }
}

export interface LinkState {
  /** Nothing arrives; calls hang until their deadline. */
  cut: boolean;
  /** Requests arrive and act, answers do not. */
  deaf: boolean;
  /** Answers 500 without acting. */
  failing: boolean;
  /** Each way. */
  latencyMs: number;
}

/** One host's link to the cluster. */
export function linkTo(cluster: MemoryCluster, clock: Clock, state: LinkState): KubeTransport {
  return {
    request: async (request): Promise<KubeResponse> => {
      await clock.sleep(state.latencyMs);
      if (state.cut) return lost(request);
      const { status, body } = state.failing ? refused(500, 'InternalError') : cluster.handle(request);
      if (state.deaf) return lost(request);
      await clock.sleep(state.latencyMs);
      return { status, headers: {}, body: bytesOf(body) };
    },
    close: () => Promise.resolve(),
  };
}

function lost(request: KubeRequest): Promise<never> {
  return new Promise((_resolve, reject) => {
    request.signal?.addEventListener('abort', () => {
      reject(new Error('aborted'));
    });
  });
}

async function* bytesOf(body: unknown): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(JSON.stringify(body)));
}

function refused(code: number, reason: string): { status: number; body: unknown } {
  return { status: code, body: { kind: 'Status', code, reason, message: reason } };
}
