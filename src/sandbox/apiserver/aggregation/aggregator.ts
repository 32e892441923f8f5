/**
 * The aggregation layer: knows which group versions other servers serve, passes their requests on, asks them what they
 * serve, and writes the APIServices' Available condition. Only Services of type ExternalName lead anywhere here.
 */
import type { Agent } from 'node:https';
import type { Clock, Timer } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import type { KeyPair } from '../../../platform/pki/authority.ts';
import { LOOPBACK } from '../authn/user-info.ts';
import { type Cluster, timeText } from '../cluster.ts';
import type { ForeignGroup } from '../discovery/discovery-stage.ts';
import {
  type ApiObject,
  isObject,
  type Json,
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
} from '../json-value.ts';
import type { ApiAnswer, ApiCall } from '../rest/api-call.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { updateObject } from '../rest/write-object.ts';
import { serviceUnavailable } from '../status-error.ts';
import { resourceKey, type StoreChange } from '../storage/object-store.ts';
import { type Backend, createProxyAgent, proxyCall } from './proxy-call.ts';

const API_SERVICES = resourceKey('apiregistration.k8s.io', 'apiservices');
const SERVICES = resourceKey('', 'services');
const RECHECK_MS = 1000;
const HEALTHY_RECHECK_MS = 30_000;
const CHECK_TIMEOUT_MS = 5000;
const STATUS_WRITE = { user: LOOPBACK, manager: 'kube-aggregator', dryRun: false, subresource: 'status' };

export interface AggregatorDeps {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
  readonly frontProxy: () => Promise<KeyPair>;
}

interface Registration {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  resources: readonly JsonObject[] | undefined;
  timer: Timer | undefined;
}

async function textOf(answer: ApiAnswer): Promise<string> {
  if (answer.body instanceof Uint8Array) return Buffer.from(answer.body).toString();
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export class Aggregator {
  private readonly deps: AggregatorDeps;
  private readonly agent: Agent = createProxyAgent();
  private readonly registrations = new Map<string, Registration>();
  private stopped = false;

  constructor(deps: AggregatorDeps) {
    this.deps = deps;
  }

  readonly onChange = (change: StoreChange): void => {
    if (change.resource === SERVICES && this.registrations.size > 0) {
      for (const registration of this.registrations.values()) this.schedule(registration, 0);
    }
    if (change.resource !== API_SERVICES) return;
    const { name } = change.object.metadata;
    if (change.kind === 'DELETED') this.forget(name);
    else if (change.previous === undefined || change.previous['spec'] !== change.object['spec'])
      this.learn(change.object);
  };

  relearn(): void {
    for (const registration of [...this.registrations.values()]) this.forget(registration.name);
    for (const service of this.deps.cluster.store.sorted(API_SERVICES)) this.learn(service);
  }

  stop(): void {
    this.stopped = true;
    for (const { timer } of this.registrations.values()) timer?.cancel();
    this.registrations.clear();
    this.agent.destroy();
  }

  /** What others serve, for discovery. */
  foreign(): readonly ForeignGroup[] {
    return [...this.registrations.values()].map(({ group, version, resources }) => ({ group, version, resources }));
  }

  /** Serves a request that belongs to another server; `undefined` for all others. */
  stage(call: ApiCall, info: RequestInfo): Promise<ApiAnswer> | undefined {
    if (this.registrations.size === 0) return undefined;
    const [root, group, version] = info.path.split('/').filter((segment) => segment !== '');
    if (root !== 'apis' || group === undefined || version === undefined) return undefined;
    const registration = this.registrations.get(`${version}.${group}`);
    return registration === undefined ? undefined : this.pass(registration, call);
  }

  private async pass(registration: Registration, call: ApiCall): Promise<ApiAnswer> {
    const backend = this.backendOf(registration);
    if (typeof backend === 'string') throw serviceUnavailable(backend);
    return proxyCall({ agent: this.agent, frontProxy: await this.deps.frontProxy() }, backend, call);
  }

  /** Where requests go, or why nowhere. */
  private backendOf({ name }: Registration): Backend | string {
    const { store } = this.deps.cluster;
    const spec = objectAt(store.get(API_SERVICES, '', name), 'spec');
    const reference = objectAt(spec, 'service');
    const serviceName = stringAt(reference, 'name') ?? '';
    const namespace = stringAt(reference, 'namespace') ?? '';
    const service = store.get(SERVICES, namespace, serviceName);
    if (service === undefined) return `service/${serviceName} in "${namespace}" is not present`;
    const target = objectAt(service, 'spec');
    const host = stringAt(target, 'externalName') ?? '';
    if (target?.['type'] !== 'ExternalName' || host === '') {
      return `service/${serviceName} in "${namespace}" has no endpoints: only type ExternalName is routed here`;
    }
    const bundle = stringAt(spec, 'caBundle');
    return {
      host,
      port: numberAt(reference, 'port') ?? 443,
      serverName: `${serviceName}.${namespace}.svc`,
      caPem: bundle === undefined ? undefined : Buffer.from(bundle, 'base64').toString(),
      insecure: spec?.['insecureSkipTLSVerify'] === true,
    };
  }

  private learn(service: ApiObject): void {
    const { name } = service.metadata;
    const spec = objectAt(service, 'spec');
    if (objectAt(spec, 'service') === undefined) return;
    const known = this.registrations.get(name);
    const registration: Registration = {
      name,
      group: stringAt(spec, 'group') ?? '',
      version: stringAt(spec, 'version') ?? '',
      resources: known?.resources,
      timer: undefined,
    };
    known?.timer?.cancel();
    this.registrations.set(name, registration);
    this.schedule(registration, 0);
  }

  private forget(name: string): void {
    this.registrations.get(name)?.timer?.cancel();
    this.registrations.delete(name);
  }

  private schedule(registration: Registration, delayMs: number): void {
    registration.timer?.cancel();
    registration.timer = this.deps.clock.after(delayMs, () => {
      void this.check(registration);
    });
  }

  private async check(registration: Registration): Promise<void> {
    const { group, version } = registration;
    const failure = await this.discover(registration);
    if (this.stopped || this.registrations.get(registration.name) !== registration) return;
    if (failure === undefined) {
      this.report(registration.name, { ok: true, reason: 'Passed', message: 'all checks passed' });
    } else {
      registration.resources = undefined;
      const message = `failing or missing response from the service of ${version}.${group}: ${failure}`;
      this.report(registration.name, { ok: false, reason: 'FailedDiscoveryCheck', message });
    }
    this.schedule(registration, failure === undefined ? HEALTHY_RECHECK_MS : RECHECK_MS);
  }

  /** Asks the server what it serves; why it could not, otherwise. */
  private async discover(registration: Registration): Promise<string | undefined> {
    const { group, version } = registration;
    try {
      const answer = await this.pass(registration, {
        method: 'GET',
        path: `/apis/${group}/${version}`,
        query: new URLSearchParams(),
        headers: { accept: 'application/json' },
        body: new Uint8Array(),
        user: LOOPBACK,
        signal: AbortSignal.timeout(CHECK_TIMEOUT_MS),
      });
      const text = await textOf(answer);
      if (answer.status !== 200) return `HTTP ${answer.status}`;
      const list = JSON.parse(text) as Json;
      registration.resources = isObject(list) ? objectsAt(list, 'resources') : [];
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private report(
    name: string,
    outcome: { readonly ok: boolean; readonly reason: string; readonly message: string },
  ): void {
    const { cluster } = this.deps;
    const old = cluster.store.get(API_SERVICES, '', name);
    const resource = cluster.registry.storedAs(API_SERVICES);
    if (old === undefined || resource === undefined) return;
    const status = outcome.ok ? 'True' : 'False';
    const before = objectsAt(objectAt(old, 'status'), 'conditions').find((c) => c['type'] === 'Available');
    if (before?.['status'] === status && before['reason'] === outcome.reason) return;
    const lastTransitionTime = timeText(this.deps.clock.nowMs());
    const condition = {
      type: 'Available',
      status,
      lastTransitionTime,
      reason: outcome.reason,
      message: outcome.message,
    };
    const next: ApiObject = { ...old, status: { conditions: [condition] } };
    updateObject(cluster, resource, { old, next }, STATUS_WRITE);
    if (!outcome.ok) this.deps.logger?.debug('aggregated API is not available', { name, message: outcome.message });
  }
}
