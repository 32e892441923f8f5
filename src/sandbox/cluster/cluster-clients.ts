/**
 * Who the parts of a cluster are when they call its API server, and the copies of objects that they share.
 *
 * Invariants: each part has a user name of its own, as on a real cluster, so that audits and counts can tell them from
 * people and operators; all are in `system:masters`, since their own good conduct is not what is being tested. One watch
 * per resource type serves all parts.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import { jobs, nodes, pods, services } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { createKubeClient } from '../../platform/kube/kube-client-http.ts';
import { createReflector } from '../../platform/kube/reflector.ts';
import type { Reflector } from '../../platform/kube/reflector.ts';
import type { KubeTransport } from '../../platform/kube/transport.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { Identity } from '../apiserver/api-server.ts';
import { jobUidOf, podsByJob } from './jobs/job-controller.ts';
import type { Service } from './kubelet/rendezvous-names.ts';
import { podsByNode } from './node-lifecycle.ts';
import type { Job } from './objects/job.ts';
import type { Node } from './objects/node.ts';
import type { Pod } from './objects/pod.ts';

export interface ClientDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: (identity: Identity) => KubeTransport;
}

/** A client of a part of the cluster, e.g. `system:kube-scheduler`. */
export function clientFor(deps: ClientDeps, user: string): KubeClient {
  return createKubeClient({
    transport: deps.transport({ user, groups: ['system:masters'] }),
    clock: deps.clock,
    random: deps.random,
    userAgent: user.replaceAll(':', '-'),
  });
}

export interface SharedCopies {
  readonly pods: Reflector<Pod>;
  readonly nodes: Reflector<Node>;
  readonly jobs: Reflector<Job>;
  readonly services: Reflector<Service>;
}

export function sharedCopies(deps: ClientDeps, client: KubeClient): SharedCopies {
  const { clock, random, logger } = deps;
  const base = { client, clock, random, logger };
  return {
    pods: createReflector<Pod>({
      ...base,
      type: pods,
      indexers: {
        [podsByJob]: (pod) => oneOrNone(jobUidOf(pod)),
        [podsByNode]: (pod) => oneOrNone(pod.spec.nodeName),
      },
    }),
    nodes: createReflector<Node>({ ...base, type: nodes }),
    jobs: createReflector<Job>({ ...base, type: jobs }),
    services: createReflector<Service>({ ...base, type: services }),
  };
}

function oneOrNone(value: string | undefined): readonly string[] {
  return value === undefined || value === '' ? [] : [value];
}
