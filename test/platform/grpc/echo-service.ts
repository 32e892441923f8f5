/** A service of strings for testing the wrappers: no generated code, so that nothing of the federation is needed here. */
import {
  makeGenericClientConstructor,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import type { ClientConstructor, UnaryMethod } from '../../../src/platform/grpc/client.ts';
import type { CallOptions, Metadata } from '@grpc/grpc-js';

const codec = {
  serialize: (value: string): Buffer => Buffer.from(value),
  deserialize: (bytes: Buffer): string => bytes.toString('utf8'),
};

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: codec.serialize,
    requestDeserialize: codec.deserialize,
    responseSerialize: codec.serialize,
    responseDeserialize: codec.deserialize,
  };
}

export const echoDefinition = {
  ask: method('Ask', false, false),
  talk: method('Talk', true, true),
  count: method('Count', false, true),
};

export interface EchoClient extends Client {
  ask: UnaryMethod<string, string>;
  talk: (metadata: Metadata, options: Partial<CallOptions>) => ClientDuplexStream<string, string>;
  count: (request: string, metadata: Metadata, options: Partial<CallOptions>) => ClientReadableStream<string>;
}

export const EchoClient = makeGenericClientConstructor(
  echoDefinition,
  'test.Echo',
) as unknown as ClientConstructor<EchoClient>;
