/**
 * Sends calls over a transport: headers, deadline, retries and accounting.
 *
 * Invariants: a call ends by its deadline whatever the transport does; every request is accounted once; a failed answer's
 * body is read to its end, so that its connection is free again. The only place that touches the transport.
 */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { sharedAbort } from '../lifecycle/abort-link.ts';
import type { Logger } from '../log/logger.ts';
import { CallScope } from './call-scope.ts';
import { describeCall, type HttpCall } from './http-call.ts';
import { isKubeError, isUnreachable } from './kube-error.ts';
import type { KubeRequestRecord } from './request-accounting.ts';
import { parseJson, readText, refuseFailure } from './response-body.ts';
import { retryDelayMs } from './retry-rule.ts';
import { scopedBody } from './scoped-body.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from './transport.ts';

export interface HttpCallerDeps {
  readonly transport: KubeTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly account: (record: KubeRequestRecord) => void;
  /** Sent with each request; lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

const defaultTimeoutMs = 30_000;

export class HttpCaller {
  private readonly deps: HttpCallerDeps;
  private readonly closing = sharedAbort();

  constructor(deps: HttpCallerDeps) {
    this.deps = deps;
  }

  /** The parsed body of a successful answer; undefined if it has none. */
  async json(call: HttpCall): Promise<unknown> {
    const scope = this.open(call);
    try {
      return await this.retrying(call, scope, async () => {
        const response = await this.request(call, scope);
        return parseJson(await scope.wait(readText(response.body)), describeCall(call));
      });
    } finally {
      // After a fully read answer this frees nothing more; after a failure it frees the connection.
      scope.release(true);
    }
  }

  /** The bytes of a successful answer as they arrive. The deadline covers the time until the answer begins. */
  async stream(call: HttpCall): Promise<AsyncIterable<Uint8Array>> {
    const scope = this.open(call);
    try {
      const response = await this.retrying(call, scope, () => this.request(call, scope));
      scope.liftDeadline();
      return scopedBody(response.body, scope);
    } catch (error) {
      scope.release(true);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.deps.transport.close();
  }

  private open(call: HttpCall): CallScope {
    return new CallScope({
      what: describeCall(call),
      clock: this.deps.clock,
      timeoutMs: call.options.timeoutMs ?? defaultTimeoutMs,
      signal: call.options.signal,
      closing: this.closing.signal,
    });
  }

  private async retrying<T>(call: HttpCall, scope: CallScope, attempt: () => Promise<T>): Promise<T> {
    const { clock, random, logger } = this.deps;
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        // Reflectors have a back-off of their own: a watch is tried once.
        const delayMs = call.verb === 'watch' ? undefined : retryDelayMs(error, tries, call.idempotent, random);
        // A wait that the deadline would cut off helps nobody: the real reason is worth more than a timeout.
        if (delayMs === undefined || delayMs >= scope.remainingMs) throw error;
        logger.debug('retrying a Kubernetes call', () => ({
          call: describeCall(call),
          tries,
          delayMs,
          ...brief(error),
        }));
        await scope.wait(clock.sleep(delayMs, scope.signal));
      }
    }
  }

  private async request(call: HttpCall, scope: CallScope): Promise<KubeResponse> {
    const { transport, clock, account } = this.deps;
    const startedMs = clock.monotonicMs();
    let status = 0;
    try {
      const response = await scope.wait(transport.request(this.encode(call, scope.signal)));
      status = response.status;
      await scope.wait(refuseFailure(response, describeCall(call)));
      return response;
    } finally {
      const { verb, group, resource, subresource } = call;
      account({ verb, group, resource, subresource, status, durationMs: clock.monotonicMs() - startedMs });
    }
  }

  private encode(call: HttpCall, signal: AbortSignal): KubeRequest {
    const { method, path, body } = call;
    const headers = { ...this.deps.headers, accept: 'application/json' };
    if (body === undefined) return { method, path, headers, signal };
    const contentType = call.contentType ?? 'application/json';
    return { method, path, headers: { ...headers, 'content-type': contentType }, body: JSON.stringify(body), signal };
  }
}

function brief(error: unknown): Record<string, unknown> {
  if (isKubeError(error)) return { status: error.status, reason: error.reason };
  if (isUnreachable(error)) return { why: error.why, code: error.code };
  return {};
}
