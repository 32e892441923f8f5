/** The EnrolmentPort over gRPC: one short connection per request, server-authenticated by the pinned authority. */
import type { Clock } from '../../platform/clock/clock.ts';
import { callUnary, dial } from '../../platform/grpc/client.ts';
import { RpcError } from '../../platform/grpc/rpc-error.ts';
import { fetchTrustBundle } from '../../platform/grpc/trust-bootstrap.ts';
import { describeProblems } from '../../wire/field-checks.ts';
import { EnrolmentClient } from '../../wire/services.ts';
import type { EnrolmentPort } from './enrolment-port.ts';

export interface GrpcEnrolmentDeps {
  /** `host:port` of the hub's enrolment service. */
  readonly address: string;
  /** Name to look for in the hub's certificate; default the address's host. */
  readonly serverName?: string;
  readonly clock: Clock;
}

export function createGrpcEnrolment(deps: GrpcEnrolmentDeps): EnrolmentPort {
  const { address, serverName, clock } = deps;
  return {
    fetchTrustBundle: (caFingerprint, signal) => fetchTrustBundle({ address, caFingerprint, clock, signal }),
    enrol: async (request, trustBundlePem, signal) => {
      const client = dial(EnrolmentClient, {
        address,
        trustBundlePem,
        ...(serverName === undefined ? {} : { serverName }),
      });
      try {
        const answer = await callUnary(client.enrol.bind(client), request, { signal });
        if (!answer.ok) throw new RpcError('INTERNAL', `the hub's answer: ${describeProblems(answer.error)}`);
        return answer.value;
      } finally {
        client.close();
      }
    },
  };
}
