import protobuf from 'protobufjs';
import descriptor from '../../proto/gen/descriptor.json' with { type: 'json' };
import type {
  ContentMethods,
  DiffMethods,
  HealthMethods,
  ImagesMethods,
  LeasesMethods,
  SnapshotsMethods,
  StatusMethods,
} from '../../proto/gen/messages.ts';

/** What the generated `…Methods` interfaces say of each method. */
export interface MethodShape {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: object;
  readonly requestInput: object;
  readonly response: object;
  readonly responseInput: object;
}

/** One message type as bytes and as plain objects. `encode` throws a TypeError for what the type cannot hold. */
export interface Codec {
  encode(message: object): Buffer;
  decode(bytes: Uint8Array): object;
}

export interface Method {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: Codec;
  readonly response: Codec;
}

/** A gRPC service; `M` is its generated `…Methods` interface. */
export interface Service<M> {
  /** Full name: `package.Service`. */
  readonly name: string;
  readonly methods: ReadonlyMap<keyof M & string, Method>;
}

/**
 * The shapes that `proto/gen/messages.ts` describes. A message goes through `fromObject` before it is encoded:
 * protobufjs encodes a bigint given to `encode` itself as 0.
 */
const SHAPE = {
  longs: BigInt,
  enums: String,
  defaults: true,
  oneofs: true,
} as unknown as protobuf.IConversionOptions;

let parsed: protobuf.Root | undefined;

export const content = service<ContentMethods>('containerd.services.content.v1.Content');
export const diff = service<DiffMethods>('containerd.services.diff.v1.Diff');
export const images = service<ImagesMethods>('containerd.services.images.v1.Images');
export const leases = service<LeasesMethods>('containerd.services.leases.v1.Leases');
export const snapshots = service<SnapshotsMethods>('containerd.services.snapshots.v1.Snapshots');
export const health = service<HealthMethods>('grpc.health.v1.Health');
export const status = service<StatusMethods>('nix_snapshotter.v1.Status');

/** The descriptor is read when a service is first used, and code is made only for messages that are used. */
function service<M>(name: string): Service<M> {
  let methods: ReadonlyMap<keyof M & string, Method> | undefined;
  return {
    name,
    get methods() {
      methods ??= methodsOf<M>(name);
      return methods;
    },
  };
}

function methodsOf<M>(name: string): ReadonlyMap<keyof M & string, Method> {
  parsed ??= protobuf.Root.fromJSON(descriptor as protobuf.INamespace);
  return new Map(
    parsed.lookupService(name).methodsArray.map((method) => {
      method.resolve();
      const { resolvedRequestType: request, resolvedResponseType: response } = method;
      if (request === null || response === null)
        throw new Error(`${name}.${method.name}: a message type is missing`);
      const shape: Method = {
        path: `/${name}/${method.name}`,
        requestStream: method.requestStream === true,
        responseStream: method.responseStream === true,
        request: codec(request),
        response: codec(response),
      };
      return [method.name as keyof M & string, shape];
    }),
  );
}

function codec(type: protobuf.Type): Codec {
  return {
    encode: (message) => Buffer.from(type.encode(type.fromObject(message)).finish()),
    decode: (bytes) => type.toObject(type.decode(bytes), SHAPE),
  };
}
