import { StatusError } from '../errors.ts';
import { NAMESPACE_KEY, type RpcClient } from '../rpc/client.ts';
import { forwardedMetadata } from '../rpc/forwarded-metadata.ts';
import { implement, type Implementation } from '../rpc/implementation.ts';
import { diff } from '../rpc/proto.ts';
import type { Mount } from '../view/mount.ts';

/** The metadata of a call that containerd needs again: which namespace, and which lease protects the result. */
const FORWARDED_METADATA = [NAMESPACE_KEY, 'containerd-lease'];

/**
 * Marks an Apply that this service sent to containerd. containerd hands unknown payloads on to each of its differs;
 * when it asks this one again (it may stand in the diff service's own order), the mark says that the waiting is done.
 */
const FORWARDED_PAYLOAD = 'nix-snapshotter/forwarded';

export interface DiffServiceDeps {
  /** Waits until the layer that these mounts write to may be unpacked. */
  readonly gate: { pass(mounts: readonly Mount[], signal: AbortSignal): Promise<void> };
  /** containerd's own API. */
  readonly containerd: RpcClient;
}

/**
 * `containerd.services.diff.v1.Diff` as a proxy diff plugin. containerd calls Apply without its snapshotter lock, so this
 * is where an unpack can wait for Nix without holding up the node. The bytes are applied by containerd itself, which is
 * called back. containerd 1.7 does not say in which namespace it asks, so there, as always for Diff, the answer is
 * Unimplemented and the next differ in the diff service's order does the work.
 */
export function diffService({ gate, containerd }: DiffServiceDeps): Implementation {
  return implement(diff, {
    async Apply(request, { signal, metadata }) {
      if (FORWARDED_PAYLOAD in request.payloads) throw leftToContainerd('Apply');
      await gate.pass(request.mounts, signal);
      const forwarded = forwardedMetadata(metadata, FORWARDED_METADATA);
      if (!(NAMESPACE_KEY in forwarded)) throw leftToContainerd('Apply');
      const payloads = {
        ...request.payloads,
        [FORWARDED_PAYLOAD]: { type_url: FORWARDED_PAYLOAD, value: Buffer.alloc(0) },
      };
      return containerd.service(diff).Apply({ ...request, payloads }, { signal, metadata: forwarded });
    },
    Diff: () => Promise.reject(leftToContainerd('Diff')),
  });
}

function leftToContainerd(method: string): StatusError {
  return new StatusError('Unimplemented', `${method} is left to containerd's next differ: not implemented`);
}
