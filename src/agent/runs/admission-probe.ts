/**
 * Asks the API server what it would say to a guest's pod, before a run is started: admission errors become typed reasons.
 *
 * Once per template and namespace: equal pods get equal answers, so that a thousand runs of one template cost one dry run.
 * Leaves out what differs between runs (names, variables that carry the fence, nodes), which no admission depends on here.
 */
import { createHash } from 'node:crypto';
import type { Reason } from '../../core/run/agent-plan.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { pods } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isKubeError } from '../../platform/kube/kube-error.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type { PodTemplate } from './template/build-pod.ts';

/** Webhooks, quotas and policies change: an answer is not kept for ever. */
const KEEP_MS = 600_000;
const MOST_KEPT = 500;

export interface ProbeRequest {
  readonly namespace: string;
  readonly pod: PodTemplate;
  /** What two runs must share to be answered alike: the template as checked, the policy, the tenant. */
  readonly likeness: string;
}

export interface AdmissionProbeDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
}

export class AdmissionProbe {
  private readonly deps: AdmissionProbeDeps;
  private readonly answers = new Map<
    string,
    { readonly untilMs: number; readonly answer: Promise<Result<void, Reason>> }
  >();

  constructor(deps: AdmissionProbeDeps) {
    this.deps = deps;
  }

  /** Throws when the cluster gave no answer about the pod itself. */
  async ask(request: ProbeRequest): Promise<Result<void, Reason>> {
    const nowMs = this.deps.clock.monotonicMs();
    const key = createHash('sha256').update(`${request.namespace}\n${request.likeness}`).digest('base64');
    const known = this.answers.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.answer;
    this.evict();
    const entry = { untilMs: nowMs + KEEP_MS, answer: this.dryRun(request) };
    this.answers.set(key, entry);
    try {
      return await entry.answer;
    } catch (error) {
      if (this.answers.get(key) === entry) this.answers.delete(key);
      throw error;
    }
  }

  private evict(): void {
    for (const key of this.answers.keys()) {
      if (this.answers.size < MOST_KEPT) return;
      this.answers.delete(key);
    }
  }

  private async dryRun({ namespace, pod }: ProbeRequest): Promise<Result<void, Reason>> {
    const metadata = { ...pod.metadata, generateName: 'lumbung-probe-', namespace };
    try {
      await this.deps.client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: pod.spec } as never, {
        dryRun: true,
      });
      return ok(undefined);
    } catch (error) {
      if (!isKubeError(error)) throw error;
      // Bad requests come from fields of a wrong type, which the table of paths does not look at.
      if (![400, 403, 422].includes(error.status)) throw error;
      return err({
        cause: 'AdmissionError',
        message: `the member's API server refuses the pod: ${shorten(error.message)}`,
      });
    }
  }
}

/** Validation messages repeat the value they dislike; the beginning names the path. */
function shorten(message: string): string {
  return message.length > 600 ? `${message.slice(0, 597)}...` : message;
}
