import { describe, expect, it } from 'vitest';
import { answerSubresource, type SubresourceDeps } from '../../../src/hub/subresources/subresource-api.ts';
import type { LogBroker, LogFailure, LogQuery } from '../../../src/hub/federation/log-broker.ts';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import type { AggregatedAnswer, AggregatedRequest } from '../../../src/platform/kube/aggregated-server.ts';
import type { KubeClient } from '../../../src/platform/kube/kube-client.ts';
import { err, ok, type Result } from '../../../src/std/result.ts';
import { FakeFleet, memberA } from '../federation/federation-rig.ts';

const root = '/apis/subresources.lumbung.dev';
const jobs = `${root}/v1alpha1/namespaces/team-a/computejobs`;

interface Review {
  readonly user: string;
  readonly groups: readonly string[];
  readonly resourceAttributes: Record<string, string>;
}

class Rig {
  readonly fleet = new FakeFleet();
  readonly reviews: Review[] = [];
  readonly queries: LogQuery[] = [];
  allow: boolean | undefined = true;
  opened: Result<AsyncIterable<Uint8Array>, LogFailure> = ok(
    (async function* () {
      await Promise.resolve();
      yield Buffer.from('line\n');
    })(),
  );

  constructor() {
    this.fleet.located = { run: { jobUid: jobUid('uid-1'), fence: fence(2) }, member: memberA };
  }

  async get(path: string, query = '', method = 'GET'): Promise<AggregatedAnswer> {
    const request: AggregatedRequest = {
      user: 'budi',
      groups: ['researchers', 'system:authenticated'],
      method,
      path,
      query: new URLSearchParams(query),
      signal: new AbortController().signal,
    };
    return answerSubresource(request, this.deps());
  }

  private deps(): SubresourceDeps {
    const client = {
      create: (type: { readonly plural: string }, object: { readonly spec: Review }) => {
        expect(type.plural).toBe('subjectaccessreviews');
        this.reviews.push(object.spec);
        return Promise.resolve(this.allow === undefined ? {} : { status: { allowed: this.allow } });
      },
    } as unknown as KubeClient;
    const logs = {
      open: (query: LogQuery) => {
        this.queries.push(query);
        return Promise.resolve(this.opened);
      },
    } as unknown as LogBroker;
    const known = (namespace: string, name: string): boolean => namespace === 'team-a' && name === 'train';
    return {
      client,
      fleet: this.fleet,
      logs,
      jobUid: (namespace, name) => (known(namespace, name) ? jobUid('uid-1') : undefined),
      explain: (namespace, name) => (known(namespace, name) ? { summary: 'waits' } : undefined),
      orphans: () => ({ kind: 'OrphanList', items: [] }),
    };
  }
}

interface Status {
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
  readonly code: number;
}
const status = (answer: AggregatedAnswer): Status => JSON.parse(answer.body as string) as Status;

describe('discovery', () => {
  it('names the group, its version and the resources, without asking whether one may', async () => {
    const rig = new Rig();
    const group = JSON.parse((await rig.get(root)).body as string) as { readonly name: string };
    expect(group).toMatchObject({ kind: 'APIGroup', name: 'subresources.lumbung.dev' });
    const list = JSON.parse((await rig.get(`${root}/v1alpha1`)).body as string) as {
      readonly resources: { name: string }[];
    };
    expect(list.resources.map(({ name }) => name)).toEqual(['computejobs/log', 'computejobs/explain', 'orphans']);
    expect(rig.reviews).toEqual([]);
  });
});

describe('authorisation', () => {
  it.each([
    [`${jobs}/train/log`, { resource: 'computejobs', subresource: 'log', namespace: 'team-a', name: 'train' }],
    [`${jobs}/train/explain`, { resource: 'computejobs', subresource: 'explain', namespace: 'team-a', name: 'train' }],
    [`${root}/v1alpha1/orphans`, { resource: 'orphans', subresource: '', namespace: '', name: '' }],
  ])('asks the cluster for the very thing: %s', async (path, attributes) => {
    const rig = new Rig();
    expect((await rig.get(path)).status).toBe(200);
    expect(rig.reviews).toEqual([
      {
        user: 'budi',
        groups: ['researchers', 'system:authenticated'],
        resourceAttributes: { group: 'subresources.lumbung.dev', version: 'v1alpha1', verb: 'get', ...attributes },
      },
    ]);
  });

  it.each([
    [
      `${jobs}/train/log`,
      'computejobs.subresources.lumbung.dev "train" is forbidden: User "budi" cannot get resource "computejobs/log" in API group "subresources.lumbung.dev" in the namespace "team-a"',
    ],
    [
      `${root}/v1alpha1/orphans`,
      'orphans.subresources.lumbung.dev is forbidden: User "budi" cannot get resource "orphans" in API group "subresources.lumbung.dev" at the cluster scope',
    ],
  ])('refuses in the words of Kubernetes: %s', async (path, message) => {
    const rig = new Rig();
    rig.allow = false;
    const answer = await rig.get(path);
    expect(answer.status).toBe(403);
    expect(status(answer)).toMatchObject({ kind: 'Status', reason: 'Forbidden', code: 403, message });
    expect(rig.queries).toEqual([]);
  });

  it('takes an answer that says nothing for a no', async () => {
    const rig = new Rig();
    rig.allow = undefined;
    expect((await rig.get(`${jobs}/train/log`)).status).toBe(403);
  });

  it('does not tell who may not look whether a job exists', async () => {
    const rig = new Rig();
    rig.allow = false;
    const [there, absent] = [await rig.get(`${jobs}/train/log`), await rig.get(`${jobs}/other/log`)];
    expect(status(absent).message.replace('other', 'train')).toBe(status(there).message);
  });
});

describe('paths', () => {
  it.each([
    `${root}/v1alpha1/computejobs/train/log`,
    `${jobs}/train`,
    `${jobs}/train/exec`,
    `${jobs}/train/log/more`,
    `${jobs}//log`,
    `${jobs}/%zz/log`,
    `${root}/v1beta1/namespaces/team-a/computejobs/train/log`,
    `${root}/v1alpha1/namespaces/team-a/gpupools/train/log`,
    '/',
  ])('answers 404 for %s and asks nobody', async (path) => {
    const rig = new Rig();
    const answer = await rig.get(path);
    expect([answer.status, status(answer).reason]).toEqual([404, 'NotFound']);
    expect(rig.reviews).toEqual([]);
  });

  it('decodes names once', async () => {
    const rig = new Rig();
    await rig.get(`${jobs}/a%252Fb/log`);
    expect(rig.reviews[0]?.resourceAttributes['name']).toBe('a%2Fb');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('answers 405 for %s', async (method) => {
    const answer = await new Rig().get(`${jobs}/train/log`, '', method);
    expect([answer.status, status(answer).reason]).toEqual([405, 'MethodNotAllowed']);
  });
});

describe('log', () => {
  it('streams what the member sends', async () => {
    const answer = await new Rig().get(`${jobs}/train/log`);
    expect(answer).toMatchObject({ status: 200, contentType: 'text/plain' });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('line\n');
  });

  it('asks for what the query says, in the name of the user', async () => {
    const rig = new Rig();
    await rig.get(`${jobs}/train/log`);
    await rig.get(
      `${jobs}/train/log`,
      'worker=3&attempt=2&container=main&follow=true&tailLines=0&sinceSeconds=60&timestamps=true',
    );
    const located = { run: { jobUid: 'uid-1', fence: 2 }, member: memberA, user: 'budi' };
    expect(rig.queries).toEqual([
      { worker: 0, container: '', follow: false, timestamps: false, ...located },
      { worker: 3, container: 'main', follow: true, timestamps: true, tailLines: 0, sinceSeconds: 60, ...located },
    ]);
  });

  it.each([
    ['worker=-1', 'worker: "-1"'],
    ['worker=', 'worker: ""'],
    ['attempt=1e3', 'attempt: "1e3"'],
    ['tailLines=many', 'tailLines: "many"'],
    ['sinceSeconds=99999999999', 'sinceSeconds: "99999999999"'],
  ])('refuses %s by name', async (query, message) => {
    const rig = new Rig();
    const answer = await rig.get(`${jobs}/train/log`, query);
    expect(answer.status).toBe(400);
    expect(status(answer).message).toContain(message);
    expect(rig.queries).toEqual([]);
  });

  it.each([
    ['', 'has no attempt yet'],
    ['attempt=4', 'has no attempt 4'],
  ])('says that there is no such attempt (%s)', async (query, message) => {
    const rig = new Rig();
    rig.fleet.located = undefined;
    const answer = await rig.get(`${jobs}/train/log`, query);
    expect(answer.status).toBe(404);
    expect(status(answer).message).toBe(`computejob team-a/train ${message}`);
  });

  it.each([
    [{ kind: 'MemberNotConnected', member: memberA }, 503, 'ServiceUnavailable', /member-a.*is not connected/],
    [{ kind: 'NoAnswer', member: memberA }, 504, 'Timeout', /member-a did not answer within 10 s/],
    [{ kind: 'TooManySessions' }, 429, 'TooManyRequests', /too many log readers/],
    [{ kind: 'Refused', reason: 'ForbiddenByOwner', message: 'm' }, 403, 'ForbiddenByOwner', /^m$/],
    [{ kind: 'Refused', reason: 'NotFound', message: 'm' }, 404, 'NotFound', /^m$/],
    [{ kind: 'Refused', reason: 'Expired', message: 'm' }, 410, 'Expired', /^m$/],
    [{ kind: 'Refused', reason: 'NotStarted', message: 'm' }, 409, 'NotStarted', /^m$/],
    [{ kind: 'Refused', reason: 'TooManySessions', message: 'm' }, 429, 'TooManySessions', /^m$/],
  ] as const)('answers %j with %d %s', async (failure, code, reason, message) => {
    const rig = new Rig();
    rig.opened = err(failure);
    const answer = await rig.get(`${jobs}/train/log`);
    expect(answer.status).toBe(code);
    expect(status(answer)).toMatchObject({ kind: 'Status', reason, code });
    expect(status(answer).message).toMatch(message);
  });
});

describe('explain and orphans', () => {
  it('hand on what the hub knows', async () => {
    const rig = new Rig();
    expect(JSON.parse((await rig.get(`${jobs}/train/explain`)).body as string)).toEqual({ summary: 'waits' });
    expect(JSON.parse((await rig.get(`${root}/v1alpha1/orphans`)).body as string)).toEqual({
      kind: 'OrphanList',
      items: [],
    });
  });

  it.each(['log', 'explain'])('%s of a job that is not there is 404 with its name', async (subresource) => {
    const answer = await new Rig().get(`${jobs}/other/${subresource}`);
    expect(answer.status).toBe(404);
    expect(status(answer).message).toBe('computejobs.lumbung.dev "other" not found in namespace "team-a"');
  });
});
