import protobuf from 'protobufjs';
import descriptor from '../../proto/gen/descriptor.json' with { type: 'json' };
import type {
  ContentMethods,
  DiffMethods,
  HealthMethods,
  ImagesMethods,
  LeasesMethods,
  RepairMethods,
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

const ours = definitions(descriptor);

export const content = ours<ContentMethods>('containerd.services.content.v1.Content');
export const diff = ours<DiffMethods>('containerd.services.diff.v1.Diff');
export const images = ours<ImagesMethods>('containerd.services.images.v1.Images');
export const leases = ours<LeasesMethods>('containerd.services.leases.v1.Leases');
export const snapshots = ours<SnapshotsMethods>('containerd.services.snapshots.v1.Snapshots');
export const health = ours<HealthMethods>('grpc.health.v1.Health');
export const repair = ours<RepairMethods>('nix_snapshotter.v1.Repair');
export const status = ours<StatusMethods>('nix_snapshotter.v1.Status');

/**
 * The services of a descriptor (protobufjs's JSON) by their full names. It is read when a service is first used, and code is made
 * only for messages that are used.
 */
export function definitions(json: object): <M>(name: string) => Service<M> {
  let parsed: protobuf.Root | undefined;
  return <M>(name: string): Service<M> => {
    let methods: ReadonlyMap<keyof M & string, Method> | undefined;
    return {
      name,
      get methods() {
        parsed ??= protobuf.Root.fromJSON(json);
        methods ??= methodsOf<M>(parsed, name);
        return methods;
      },
    };
  };
}

function methodsOf<M>(root: protobuf.Root, name: string): ReadonlyMap<keyof M & string, Method> {
  return new Map(
    root.lookupService(name).methodsArray.map((method) => {
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
