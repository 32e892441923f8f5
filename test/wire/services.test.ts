/** The services over a real gRPC connection on loopback: bytes in between, domain messages at both ends. */
import {
  credentials,
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  type ClientDuplexStream,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WireResult } from '../../src/wire/field-checks.ts';
import type { EnrolAnswer } from '../../src/wire/enrolment-codec.ts';
import { EnrolmentClient, ENROLMENT_SERVICE, FEDERATION_SERVICE, FederationClient } from '../../src/wire/services.ts';
import type { AgentMessage, HubMessage } from '../../src/wire/session-messages.ts';

let server: Server;
let address: string;
const received: WireResult<AgentMessage>[] = [];

beforeEach(async () => {
  received.length = 0;
  server = new Server();
  server.addService(FEDERATION_SERVICE, {
    connect: (call: ServerDuplexStream<WireResult<AgentMessage>, HubMessage>) => {
      call.on('data', (message: WireResult<AgentMessage>) => {
        received.push(message);
        call.write({ kind: 'ping', nonce: received.length });
      });
      call.on('end', () => {
        call.end();
      });
    },
    renew: (_call: unknown, callback: (error: Error) => void) => {
      callback(new Error('not under test'));
    },
    serveLogs: (call: ServerDuplexStream<unknown, unknown>) => {
      call.end();
    },
  });
  server.addService(ENROLMENT_SERVICE, {
    enrol: (
      call: { request: WireResult<{ member: string }> },
      callback: (error: null, answer: EnrolAnswer) => void,
    ) => {
      callback(null, { kind: 'Refused', message: call.request.ok ? `no ${call.request.value.member}` : 'malformed' });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  address = `127.0.0.1:${port}`;
});

afterEach(() => {
  server.forceShutdown();
});

function next<T>(stream: ClientDuplexStream<never, T>): Promise<T> {
  return new Promise((resolve, reject) => {
    stream.once('data', resolve);
    stream.once('error', reject);
  });
}

describe('FEDERATION_SERVICE', () => {
  it('carries messages both ways', async () => {
    const client = new FederationClient(address, credentials.createInsecure());
    const stream = client.connect(new Metadata(), {});
    stream.write({ kind: 'pong', nonce: 41 });
    expect(await next(stream as never)).toEqual({ ok: true, value: { kind: 'ping', nonce: 1 } });
    expect(received).toEqual([{ ok: true, value: { kind: 'pong', nonce: 41 } }]);
    stream.end();
    client.close();
  });

  it('hands malformed bytes to the reader as problems, and the stream goes on', async () => {
    // A peer that writes whatever bytes it likes on the same path.
    const Raw = makeGenericClientConstructor(
      {
        connect: {
          ...FEDERATION_SERVICE.connect,
          requestSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: FEDERATION_SERVICE.connect.responseDeserialize,
        },
      },
      'raw',
    );
    const client = new Raw(address, credentials.createInsecure());
    const stream = (client['connect'] as unknown as () => ClientDuplexStream<Buffer, unknown>).call(client);
    stream.write(Buffer.from([0xff, 0xff, 0xff]));
    await next(stream as never);
    stream.write(Buffer.from([]));
    await next(stream as never);
    expect(received.map((message) => message.ok)).toEqual([false, false]);
    expect(received[0]).toMatchObject({
      error: [{ path: '', message: expect.stringContaining('is not a valid protobuf message') as string }],
    });
    stream.end();
    client.close();
  });
});

describe('ENROLMENT_SERVICE', () => {
  it('answers a request', async () => {
    const client = new EnrolmentClient(address, credentials.createInsecure());
    const csrPem = '-----BEGIN CERTIFICATE REQUEST-----\n';
    const answer = await new Promise((resolve, reject) => {
      client.enrol(
        {
          protocolVersion: 1,
          member: 'jakarta',
          token: 't',
          csrPem,
          clusterUid: 'u',
          agentVersion: '',
          jurisdiction: '',
        },
        new Metadata(),
        {},
        (error, response) => {
          if (error) reject(error);
          else resolve(response);
        },
      );
    });
    expect(answer).toEqual({ ok: true, value: { kind: 'Refused', message: 'no jakarta' } });
    client.close();
  });
});
