/**
 * What the contract suite runs against: any Kubernetes API server that lets us in as an administrator. The suite says what
 * clients may rely on; it asserts documented behaviour only, so that one text holds for the sandbox and for the real server.
 */
import type { KubeTransport } from '../../src/platform/kube/transport.ts';

export interface ContractTarget {
  readonly name: string;
  start(): Promise<RunningTarget>;
}

export interface RunningTarget {
  /** A cluster administrator (`system:masters`). */
  readonly admin: KubeTransport;
  /** A user in groups of the test's choice. */
  as(user: string, groups: readonly string[]): Promise<KubeTransport>;
  stop(): Promise<void>;
}
