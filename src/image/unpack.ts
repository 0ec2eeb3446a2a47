import { randomBytes } from 'node:crypto';
import { chainId } from '../closure/chain-id.ts';
import { StatusError } from '../errors.ts';
import { untilReconnected } from '../rpc/until-reconnected.ts';
import type { ContainerdSession } from './containerd-session.ts';
import type { Descriptor } from './descriptor.ts';
import { label } from './store-content.ts';

/** Annotations with this prefix are handed to the snapshotter as labels (containerd `snapshots.FilterInheritedLabels`). */
const INHERITED_PREFIX = 'containerd.io/snapshot/';
/** Names, as a label, the committed snapshot that an extraction is for. */
const REF_LABEL = 'containerd.io/snapshot.ref';
/** Tries of a Prepare that answers DeadlineExceeded: Nix goes on fetching, the next try joins it. */
const PREPARE_TRIES = 30;

/**
 * Unpacks layers into a snapshotter, as containerd's own unpacker does (`core/unpack`): for each layer Prepare with
 * its annotations, Apply by the diff service, Commit under its chain id; at last the config blob gets the label that
 * keeps the chain. Chains that are there already are used.
 *
 * @returns the chain id of the topmost layer; undefined for an image without layers.
 * @throws StatusError as containerd and the snapshotter answer, with the layer named; DataLoss for a wrong diff id.
 */
export async function unpack(
  session: ContainerdSession,
  image: {
    readonly config: Descriptor;
    readonly layers: readonly Descriptor[];
    readonly diffIds: readonly string[];
  },
  snapshotter: string,
): Promise<string | undefined> {
  let parent: string | undefined;
  for (const [i, layer] of image.layers.entries()) {
    const diffId = image.diffIds[i] ?? '';
    const name = chainId(parent, diffId);
    if (await exists(session, snapshotter, name)) await session.protect(`snapshots/${snapshotter}`, name);
    else await unpackLayer(session, { layer, diffId, name, parent: parent ?? '' }, snapshotter);
    await label(session, layer.digest, { 'containerd.io/uncompressed': diffId });
    parent = name;
  }
  if (parent !== undefined) {
    await label(session, image.config.digest, { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: parent });
  }
  return parent;
}

interface LayerStep {
  readonly layer: Descriptor;
  readonly diffId: string;
  /** Of the committed snapshot: the chain ID. */
  readonly name: string;
  readonly parent: string;
}

async function unpackLayer(session: ContainerdSession, step: LayerStep, snapshotter: string): Promise<void> {
  const { layer, diffId, name, parent } = step;
  const key = `extract-${Date.now()}-${randomBytes(6).toString('base64url')} ${name}`;
  const labels = { ...inherited(layer), [REF_LABEL]: name };
  try {
    const prepared = await prepare(session, { snapshotter, key, parent, labels });
    if (prepared === 'exists') return await session.protect(`snapshots/${snapshotter}`, name);
    const applied = await session.diff.Apply({ diff: wire(layer), mounts: prepared }, session.call);
    if (applied.applied?.digest !== diffId) {
      throw new StatusError(
        'DataLoss',
        `it unpacks to ${applied.applied?.digest}, the config says ${diffId}`,
      );
    }
    await session.snapshots.Commit({ snapshotter, name, key, labels }, session.call);
  } catch (error) {
    await discard(session, snapshotter, key);
    if (!(error instanceof StatusError)) throw error;
    if (error.code === 'AlreadyExists') return;
    throw new StatusError(error.code, `layer ${layer.digest}: ${error.message}`, { cause: error });
  }
}

async function prepare(
  session: ContainerdSession,
  request: { snapshotter: string; key: string; parent: string; labels: Readonly<Record<string, string>> },
) {
  for (let tries = 1; ; tries++) {
    try {
      const { call } = session;
      return (await untilReconnected(() => session.snapshots.Prepare(request, call), call.signal)).mounts;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const name = request.labels[REF_LABEL] ?? '';
      if (error.code === 'AlreadyExists' && (await exists(session, request.snapshotter, name)))
        return 'exists';
      if (error.code !== 'DeadlineExceeded' || tries === PREPARE_TRIES) throw error;
    }
  }
}

async function exists(session: ContainerdSession, snapshotter: string, key: string): Promise<boolean> {
  try {
    const { call } = session;
    await untilReconnected(() => session.snapshots.Stat({ snapshotter, key }, call), call.signal);
    return true;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (error.code === 'NotFound') return false;
    if (error.code !== 'InvalidArgument') throw error;
    throw new StatusError(
      error.code,
      `snapshotter ${snapshotter}: ${error.message}: is it set up as a proxy plugin in containerd's configuration?`,
      { cause: error },
    );
  }
}

/** Removes a half-made snapshot. Its own failure does not matter: the lease ends, and containerd collects it. */
async function discard(session: ContainerdSession, snapshotter: string, key: string): Promise<void> {
  const { signal: _given, ...call } = session.call;
  await session.snapshots.Remove({ snapshotter, key }, call).catch(() => {});
}

function inherited(layer: Descriptor): Record<string, string> {
  return Object.fromEntries(
    Object.entries(layer.annotations ?? {}).filter(([name]) => name.startsWith(INHERITED_PREFIX)),
  );
}

/** A descriptor as containerd's API has it. */
export function wire(descriptor: Descriptor) {
  return {
    media_type: descriptor.mediaType,
    digest: descriptor.digest,
    size: BigInt(descriptor.size),
    annotations: descriptor.annotations ?? {},
  };
}
