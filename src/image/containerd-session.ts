import { randomBytes } from 'node:crypto';
import type {
  ContentMethods,
  DiffMethods,
  ImagesMethods,
  SnapshotsMethods,
} from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import { type CallOptions, createRpcClient, type ServiceClient } from '../rpc/client.ts';
import { content, diff, images, leases, snapshots } from '../rpc/proto.ts';

/** containerd's API with every call under one lease: what is made stays until the session ends. */
export interface ContainerdSession extends AsyncDisposable {
  readonly content: ServiceClient<ContentMethods>;
  readonly diff: ServiceClient<DiffMethods>;
  readonly images: ServiceClient<ImagesMethods>;
  readonly snapshots: ServiceClient<SnapshotsMethods>;
  /** To be given to every call. */
  readonly call: CallOptions;
  /** Protects a resource that is there already, such as `snapshots/nix`. */
  protect(type: string, id: string): Promise<void>;
}

export interface SessionOptions {
  /** containerd's socket. */
  readonly address: string;
  readonly namespace: string;
  readonly signal?: AbortSignal;
  /** What a user may do when containerd does not answer. */
  readonly hint?: string;
}

/** What a killed process leaves is collected after this time. */
const LEASE_MS = 24 * 60 * 60 * 1000;

/** How long containerd may take to take a lease back, in milliseconds. */
const GIVE_BACK_MS = 10_000;

/** Connects and takes a lease; disposing gives it back, so that containerd collects what nothing names. */
export async function openSession({
  address,
  namespace,
  signal,
  hint,
}: SessionOptions): Promise<ContainerdSession> {
  const client = createRpcClient({ address, namespace });
  const id = `nix2container-${randomBytes(8).toString('hex')}`;
  const lease = client.service(leases);
  const expire = new Date(Date.now() + LEASE_MS).toISOString();
  try {
    await lease.Create(
      { id, labels: { 'containerd.io/gc.expire': expire } },
      signal === undefined ? {} : { signal },
    );
  } catch (cause) {
    client.close();
    if (!(cause instanceof StatusError)) throw cause;
    throw new StatusError(
      cause.code,
      `containerd at ${address}: ${cause.message}${hint === undefined ? '' : ` (${hint})`}`,
      { cause },
    );
  }
  return {
    content: client.service(content),
    diff: client.service(diff),
    images: client.service(images),
    snapshots: client.service(snapshots),
    call: { metadata: { 'containerd-lease': id }, ...(signal === undefined ? {} : { signal }) },
    async protect(type, resource) {
      await lease.AddResource({ id, resource: { id: resource, type } });
    },
    async [Symbol.asyncDispose]() {
      try {
        await lease.Delete({ id }, { timeoutMs: GIVE_BACK_MS });
      } catch (error) {
        // What was to be done is done, or has failed with a better reason: a lease that cannot be given back expires.
        if (!(error instanceof StatusError)) throw error;
      } finally {
        client.close();
      }
    },
  };
}
