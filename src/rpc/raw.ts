import type { Codec, MethodShape, Service } from './proto.ts';

/** The methods of a service, with messages as bytes. */
export type RawMethods<M> = {
  readonly [K in keyof M]: M[K] extends MethodShape
    ? {
        readonly requestStream: M[K]['requestStream'];
        readonly responseStream: M[K]['responseStream'];
        readonly request: Buffer;
        readonly requestInput: Buffer;
        readonly response: Buffer;
        readonly responseInput: Buffer;
      }
    : never;
};

/** A service whose messages pass as the bytes that they are: what our definitions do not know is not lost. */
export function raw<M>(service: Service<M>): Service<RawMethods<M>> {
  return {
    name: service.name,
    get methods() {
      const methods = [...service.methods].map(
        ([name, method]) => [name, { ...method, request: BYTES, response: BYTES }] as const,
      );
      return new Map(methods);
    },
  };
}

const BYTES: Codec = {
  encode: (message) => message as Buffer,
  decode: (bytes) => bytes,
};
