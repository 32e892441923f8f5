/** How the agent reaches a hub before it has a certificate: gRPC in production, memory in simulation. */
import type { EnrolAnswer, EnrolRequest } from '../../wire/enrolment-codec.ts';

export interface EnrolmentPort {
  /** The PEM of the hub's authority with this fingerprint. Throws PkiError when it is another, RpcError when nobody answers. */
  fetchTrustBundle(fingerprint: string, signal: AbortSignal): Promise<string>;
  /** Throws RpcError. */
  enrol(request: EnrolRequest, trustBundlePem: string, signal: AbortSignal): Promise<EnrolAnswer>;
}
