/**
 * What a pod's worker needs from the API server, as its node reaches it.
 *
 * Invariants: every call waits while the node is cut off; errors of the server reach the caller. Implemented over a
 * KubeClient in api-link.ts.
 */
import type { Pod, PodStatus } from '../objects/pod.ts';
import type { ConfigObjects } from './environment.ts';

export type StatusWrite =
  | { readonly kind: 'Written'; readonly pod: Pod }
  /** The pod is no more, or another has its name. */
  | { readonly kind: 'Gone' };

export interface PodLink {
  /** False while the node is cut off. */
  readonly connected: boolean;
  whenConnected(signal?: AbortSignal): Promise<void>;
  /** Writes what `build` makes of the newest version of the pod; called again on a conflict. */
  writeStatus(pod: Pod, build: (newest: Pod) => PodStatus): Promise<StatusWrite>;
  /** Removes the object for good: nothing of the pod is left on the node. */
  removePod(pod: Pod): Promise<void>;
  /** ConfigMaps and Secrets that the pod refers to; those that do not exist are absent. */
  config(pod: Pod): Promise<ConfigObjects>;
  serviceAccountToken(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>;
  /** Records a Warning event; never throws. */
  warn(pod: Pod, reason: string, message: string): void;
  /** Records a Normal event; never throws. */
  note(pod: Pod, reason: string, message: string): void;
}
