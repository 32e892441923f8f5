/**
 * The FederationLink over gRPC: one dial per connection, with the identity of that moment. Decides what becomes of a
 * message that cannot be read: the session ends with INVALID_ARGUMENT, since nobody may guess what the hub meant.
 */
import { callUnary, dial, openDuplex } from '../../platform/grpc/client.ts';
import type { MessageStream, StreamEnd } from '../../platform/grpc/message-stream.ts';
import { RpcError } from '../../platform/grpc/rpc-error.ts';
import { describeProblems, type WireResult } from '../../wire/field-checks.ts';
import { FederationClient } from '../../wire/services.ts';
import type { FederationConnection, FederationLink } from './federation-link.ts';

/** What it takes to dial: PEM texts, as of now. */
export interface LinkIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly trustBundlePem: string;
  readonly fingerprint: string;
  readonly notAfterMs: number;
}

export interface GrpcLinkDeps {
  readonly identity: () => LinkIdentity;
  /** Name to look for in the hub's certificate; default the address's host. */
  readonly serverName?: string;
}

export function createGrpcLink(deps: GrpcLinkDeps): FederationLink {
  return { connect: (address) => connect(address, deps) };
}

function connect(address: string, { identity, serverName }: GrpcLinkDeps): FederationConnection {
  const { certificatePem, keyPem, trustBundlePem, fingerprint, notAfterMs } = identity();
  const client = dial(FederationClient, {
    address,
    trustBundlePem,
    identity: { certificatePem, keyPem },
    ...(serverName === undefined ? {} : { serverName }),
  });
  return {
    session: readable(openDuplex(client.connect.bind(client))),
    certificateFingerprint: fingerprint,
    certificateNotAfterMs: notAfterMs,
    openLogs: () => readable(openDuplex(client.serveLogs.bind(client))),
    renew: async (csrPem) => {
      const answer = await callUnary(client.renew.bind(client), { csrPem });
      if (!answer.ok) throw new RpcError('INTERNAL', `the hub's answer: ${describeProblems(answer.error)}`);
      return answer.value;
    },
    close: () => {
      client.close();
    },
  };
}

/** The stream with its messages read; at the first that cannot be, it ends as failed. */
function readable<In, Out>(raw: MessageStream<WireResult<In>, Out>): MessageStream<In, Out> {
  let malformed: StreamEnd | undefined;
  async function* messages(): AsyncGenerator<In> {
    for await (const message of raw.incoming) {
      if (!message.ok) {
        const what = `a message of the hub could not be read: ${describeProblems(message.error)}`;
        malformed = { kind: 'failed', code: 'INVALID_ARGUMENT', message: what };
        raw.close(malformed);
        return;
      }
      yield message.value;
    }
  }
  return {
    send: (message, options) => raw.send(message, options),
    drained: () => raw.drained(),
    get queued() {
      return raw.queued;
    },
    incoming: { [Symbol.asyncIterator]: messages },
    close: (end) => {
      raw.close(end);
    },
    closed: raw.closed.then((end) => malformed ?? end),
  };
}
