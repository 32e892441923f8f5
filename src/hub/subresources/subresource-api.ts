/**
 * The aggregated API `subresources.lumbung.dev/v1alpha1`: what a person asks of a job beyond its object. Any kubeconfig
 * works, because the cluster's API server authenticates and passes on.
 *
 *   GET .../namespaces/NS/computejobs/NAME/log      ?worker&attempt&container&follow&tailLines&sinceSeconds&timestamps
 *   GET .../namespaces/NS/computejobs/NAME/explain
 *   GET .../orphans
 *
 * Invariants: every request but discovery passes a SubjectAccessReview for the very subresource; a log that cannot be had
 * says why in a sentence. Leaves out how users are authenticated (platform/kube/aggregated-server).
 */
import type { JobUid } from '../../core/model/ids.ts';
import { statusBody, type AggregatedAnswer, type AggregatedRequest } from '../../platform/kube/aggregated-server.ts';
import { subjectAccessReviews } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { LogBroker, LogFailure, LogQuery } from '../federation/log-broker.ts';
import type { Fleet } from '../state/fleet.ts';

export const SUBRESOURCE_GROUP = 'subresources.lumbung.dev';
export const SUBRESOURCE_VERSION = 'v1alpha1';
const version = SUBRESOURCE_VERSION;
const root = `/apis/${SUBRESOURCE_GROUP}`;
const json = 'application/json';

export interface SubresourceDeps {
  readonly client: KubeClient;
  readonly fleet: Fleet;
  readonly logs: LogBroker;
  /** Undefined: no such job. */
  readonly jobUid: (namespace: string, name: string) => JobUid | undefined;
  /** JSON that `lumbung explain` renders; undefined: no such job. */
  readonly explain: (namespace: string, name: string) => unknown;
  /** JSON list of runs that members have and this hub does not know. */
  readonly orphans: () => unknown;
}

interface Target {
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export async function answerSubresource(request: AggregatedRequest, deps: SubresourceDeps): Promise<AggregatedAnswer> {
  if (request.method !== 'GET')
    return problem(405, 'MethodNotAllowed', `${request.method} is not allowed here; only GET is`);
  const discovery = discover(request.path);
  if (discovery !== undefined) return { status: 200, contentType: json, body: JSON.stringify(discovery) };
  const target = targetOf(request.path);
  if (target === undefined) return problem(404, 'NotFound', `no such path: ${request.path}`);
  if (!(await allowed(request, target, deps.client))) return forbidden(request, target);
  switch (target.subresource) {
    case 'log':
      return answerLog(request, target, deps);
    case 'explain': {
      const report = deps.explain(target.namespace, target.name);
      return report === undefined
        ? noSuchJob(target)
        : { status: 200, contentType: json, body: JSON.stringify(report) };
    }
    default:
      return { status: 200, contentType: json, body: JSON.stringify(deps.orphans()) };
  }
}

function discover(path: string): unknown {
  if (path === root) {
    const entry = { groupVersion: `${SUBRESOURCE_GROUP}/${version}`, version };
    return { kind: 'APIGroup', apiVersion: 'v1', name: SUBRESOURCE_GROUP, versions: [entry], preferredVersion: entry };
  }
  if (path !== `${root}/${version}`) return undefined;
  const verbs = ['get'];
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${SUBRESOURCE_GROUP}/${version}`,
    resources: [
      { name: 'computejobs/log', singularName: '', namespaced: true, kind: 'ComputeJobLog', verbs },
      { name: 'computejobs/explain', singularName: '', namespaced: true, kind: 'ComputeJobExplanation', verbs },
      { name: 'orphans', singularName: 'orphan', namespaced: false, kind: 'OrphanList', verbs },
    ],
  };
}

const jobPath = /^namespaces\/([^/]+)\/computejobs\/([^/]+)\/(log|explain)$/;

function targetOf(path: string): Target | undefined {
  const base = `${root}/${version}/`;
  if (!path.startsWith(base)) return undefined;
  const rest = path.slice(base.length);
  if (rest === 'orphans') return { resource: 'orphans', subresource: '', namespace: '', name: '' };
  const [, inNamespace = '', ofName = '', subresource = ''] = jobPath.exec(rest) ?? [];
  const [namespace, name] = [decodePart(inNamespace), decodePart(ofName)];
  return namespace === undefined || name === undefined
    ? undefined
    : { resource: 'computejobs', subresource, namespace, name };
}

/** Undefined for a broken or empty path segment. */
function decodePart(segment: string): string | undefined {
  try {
    const text = decodeURIComponent(segment);
    return text === '' ? undefined : text;
  } catch {
    // Percent signs that encode nothing: no such path.
    return undefined;
  }
}

async function allowed(request: AggregatedRequest, target: Target, client: KubeClient): Promise<boolean> {
  const { resource, subresource, namespace, name } = target;
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: {
      user: request.user,
      groups: request.groups,
      resourceAttributes: { group: SUBRESOURCE_GROUP, version, resource, subresource, namespace, name, verb: 'get' },
    },
  };
  const answer = await client.create<KubeObject & { readonly status?: { readonly allowed?: boolean } }>(
    subjectAccessReviews,
    review,
  );
  return answer.status?.allowed === true;
}

/** In the words of the Kubernetes API server, so that tools and people recognise them. */
function forbidden(request: AggregatedRequest, target: Target): AggregatedAnswer {
  const what = target.subresource === '' ? target.resource : `${target.resource}/${target.subresource}`;
  const where = target.namespace === '' ? 'at the cluster scope' : `in the namespace "${target.namespace}"`;
  const object = `${target.resource}.${SUBRESOURCE_GROUP}${target.name === '' ? '' : ` "${target.name}"`}`;
  const message = `${object} is forbidden: User "${request.user}" cannot get resource "${what}" in API group "${SUBRESOURCE_GROUP}" ${where}`;
  return problem(403, 'Forbidden', message);
}

async function answerLog(request: AggregatedRequest, target: Target, deps: SubresourceDeps): Promise<AggregatedAnswer> {
  const jobUid = deps.jobUid(target.namespace, target.name);
  if (jobUid === undefined) return noSuchJob(target);
  const query = readLogQuery(request);
  if (typeof query === 'string') return problem(400, 'BadRequest', query);
  const located = deps.fleet.locateRun(jobUid, query.attempt);
  if (located === undefined) {
    const which = query.attempt === undefined ? 'no attempt yet' : `no attempt ${query.attempt}`;
    return problem(404, 'NotFound', `computejob ${target.namespace}/${target.name} has ${which}`);
  }
  const { attempt: _attempt, ...rest } = query;
  const opened = await deps.logs.open({ ...rest, ...located, user: request.user }, request.signal);
  if (!opened.ok) return logProblem(opened.error);
  return { status: 200, contentType: 'text/plain', body: opened.value };
}

type AskedLog = Omit<LogQuery, 'member' | 'run' | 'user'> & { readonly attempt: number | undefined };

/** A string is the problem. */
function readLogQuery(request: AggregatedRequest): AskedLog | string {
  const numbers: Record<string, number> = {};
  for (const field of ['worker', 'attempt', 'tailLines', 'sinceSeconds']) {
    const text = request.query.get(field);
    if (text === null) continue;
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || !Number.isSafeInteger(value))
      return `${field}: ${JSON.stringify(text)} is not a whole number of 0 or more`;
    numbers[field] = value;
  }
  const { worker = 0, attempt, tailLines, sinceSeconds } = numbers;
  return {
    worker,
    attempt,
    container: request.query.get('container') ?? '',
    follow: request.query.get('follow') === 'true',
    timestamps: request.query.get('timestamps') === 'true',
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
  };
}

const statusOfRefusal = {
  ForbiddenByOwner: 403,
  NotFound: 404,
  Expired: 410,
  NotStarted: 409,
  TooManySessions: 429,
} as const;

function logProblem(failure: LogFailure): AggregatedAnswer {
  switch (failure.kind) {
    case 'MemberNotConnected':
      return problem(
        503,
        'ServiceUnavailable',
        `member ${failure.member}, where the log is, is not connected to the hub`,
      );
    case 'NoAnswer':
      return problem(504, 'Timeout', `member ${failure.member} did not answer within 10 s`);
    case 'TooManySessions':
      return problem(429, 'TooManyRequests', 'too many log readers at once; try again');
    case 'Refused':
      return problem(statusOfRefusal[failure.reason], failure.reason, failure.message);
  }
}

function noSuchJob(target: Target): AggregatedAnswer {
  return problem(
    404,
    'NotFound',
    `computejobs.lumbung.dev "${target.name}" not found in namespace "${target.namespace}"`,
  );
}

function problem(status: number, reason: string, message: string): AggregatedAnswer {
  return { status, contentType: json, body: statusBody(status, reason, message) };
}
