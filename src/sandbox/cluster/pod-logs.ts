/**
 * The `pods/log` subresource: finds the container's log on its node and streams it as `kubectl logs` asks.
 *
 * Invariants: refusals are worded as the real server's; a node that is cut off cannot be asked; following ends with the
 * container or when the client goes away.
 */
import type { ApiAnswer } from '../apiserver/rest/api-call.ts';
import type { SubresourceCall } from '../apiserver/rest/subresource-hooks.ts';
import { ApiError, badRequest, internalError } from '../apiserver/status-error.ts';
import type { Kubelet } from './kubelet/kubelet.ts';
import { readLog } from './kubelet/log-reader.ts';
import type { LogQuery } from './kubelet/log-reader.ts';
import type { Pod } from './objects/pod.ts';
import { uidOf } from './objects/pod.ts';

export interface PodLogDeps {
  readonly kubelet: (nodeName: string) => Kubelet | undefined;
  readonly nowMs: () => number;
}

export function createPodLogHandler(deps: PodLogDeps): (call: SubresourceCall) => ApiAnswer {
  return (call) => {
    const pod = call.object as unknown as Pod;
    const container = containerOf(pod, call.query.get('container') ?? '');
    const query = logQuery(call.query, deps.nowMs());
    const nodeName = pod.spec.nodeName ?? '';
    if (nodeName === '') throw badRequest(`pod ${call.name} does not have a host assigned`);
    const kubelet = deps.kubelet(nodeName);
    if (kubelet?.connected !== true) {
      throw internalError(
        `Get "https://${nodeName}:10250/containerLogs/${call.namespace}/${call.name}/${container}": ` +
          `dial tcp: connect: connection refused`,
      );
    }
    const keeper = kubelet.worker(uidOf(pod))?.keeper(container);
    if (keeper === undefined) return text(Buffer.from(`unable to retrieve container logs for ${container}`));
    const previous = call.query.get('previous') === 'true';
    const log = keeper.logOf(previous);
    if (log !== undefined) return text(readLog(log, query, call.signal));
    const { waiting } = keeper.status.state;
    if (previous) throw badRequest(`previous terminated container "${container}" in pod "${call.name}" not found`);
    if (waiting !== undefined) {
      throw badRequest(`container "${container}" in pod "${call.name}" is waiting to start: ${waiting.reason}`);
    }
    // A runtime without disk keeps no output.
    return text(Buffer.alloc(0));
  };
}

function text(body: ApiAnswer['body']): ApiAnswer {
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

function containerOf(pod: Pod, asked: string): string {
  const name = pod.metadata.name ?? '';
  const main = pod.spec.containers.map((container) => container.name);
  const initial = (pod.spec.initContainers ?? []).map((container) => container.name);
  if (asked !== '') {
    if (![...main, ...initial].includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const [only] = main;
  if (only !== undefined && main.length === 1 && initial.length === 0) return only;
  const others = initial.length === 0 ? '' : ` or one of the init containers: [${initial.join(' ')}]`;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${main.join(' ')}]${others}`);
}

function logQuery(query: URLSearchParams, nowMs: number): LogQuery {
  const tailLines = wholeNumber(query, 'tailLines', 0);
  const limitBytes = wholeNumber(query, 'limitBytes', 1);
  const sinceSeconds = wholeNumber(query, 'sinceSeconds', 1);
  const sinceTime = query.get('sinceTime');
  const sinceTimeMs = sinceTime === null ? undefined : Date.parse(sinceTime);
  if (sinceTimeMs !== undefined && Number.isNaN(sinceTimeMs))
    throw invalid('sinceTime', sinceTime ?? '', 'must be an RFC 3339 time');
  const sinceMs = sinceSeconds === undefined ? sinceTimeMs : nowMs - sinceSeconds * 1000;
  return {
    follow: query.get('follow') === 'true',
    timestamps: query.get('timestamps') === 'true',
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  };
}

function wholeNumber(query: URLSearchParams, field: string, least: number): number | undefined {
  const given = query.get(field);
  if (given === null || given === '') return undefined;
  if (!/^-?\d{1,15}$/.test(given)) throw badRequest(`${field}: ${JSON.stringify(given)} is not a whole number`);
  if (Number(given) < least) throw invalid(field, given, `must be greater than or equal to ${least}`);
  return Number(given);
}

function invalid(field: string, value: string, why: string): ApiError {
  const message = `PodLogOptions is invalid: ${field}: Invalid value: ${value}: ${why}`;
  return new ApiError(422, 'Invalid', message, { causes: [{ reason: 'FieldValueInvalid', message: why, field }] });
}
