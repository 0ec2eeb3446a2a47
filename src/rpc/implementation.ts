import type { RpcContext, StreamHandler, UnaryHandler } from './handler.ts';
import type { MethodShape, Service } from './proto.ts';

type Handler<S extends MethodShape> = S['responseStream'] extends true
  ? (request: S['request'], context: RpcContext) => AsyncIterable<S['responseInput']>
  : (request: S['request'], context: RpcContext) => Promise<S['responseInput']>;

/** A handler for each method of a service whose request is one message. */
export type Handlers<M> = {
  readonly [K in keyof M as M[K] extends MethodShape & { requestStream: false }
    ? K
    : never]: M[K] extends MethodShape ? Handler<M[K]> : never;
};

/** A service with its handlers; the types were checked by {@link implement}. */
export interface Implementation {
  readonly service: Service<Record<string, MethodShape>>;
  readonly handlers: Readonly<Record<string, UnaryHandler | StreamHandler>>;
}

/** Joins a service with handlers for its methods; a method without one answers Unimplemented. */
export function implement<M>(service: Service<M>, handlers: Partial<Handlers<M>>): Implementation {
  return { service, handlers } as unknown as Implementation;
}
