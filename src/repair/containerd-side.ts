import { randomUUID } from 'node:crypto';
import { StatusError } from '../errors.ts';
import { NAMESPACE_KEY, type RpcClient } from '../rpc/client.ts';
import { content, images, leases, snapshots } from '../rpc/proto.ts';
import { untilReconnected } from '../rpc/until-reconnected.ts';
import type { AskedNames } from '../snapshot/asked-names.ts';
import type { ClientName } from './facts.ts';
import { namespaces } from './namespaces-proto.ts';

export interface ContainerdSideOptions {
  /** What containerd calls this snapshotter. */
  readonly snapshotter: string;
}

export interface ContainerdSideDeps {
  readonly containerd: RpcClient;
  readonly asked: AskedNames;
}

/** How long containerd may take for an answer, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** What containerd knows of this snapshotter, and what it is asked to change. Each method throws StatusError. */
export class ContainerdSide {
  readonly #snapshotter: string;
  readonly #deps: ContainerdSideDeps;

  constructor({ snapshotter }: ContainerdSideOptions, deps: ContainerdSideDeps) {
    this.#snapshotter = snapshotter;
    this.#deps = deps;
  }

  async namespaces(): Promise<readonly string[]> {
    const answer = await this.#deps.containerd.service(namespaces).List({}, { timeoutMs: TIMEOUT_MS });
    return answer.namespaces.map(({ name }) => name);
  }

  /**
   * The keys of all snapshots that containerd has of this snapshotter, those that are lost here among them, and whether each was there when it
   * was asked for. containerd may take some seconds to find a daemon that was just started.
   */
  async wantedKeys(): Promise<ReadonlyMap<string, boolean>> {
    return await untilReconnected(() => this.#wantedKeys());
  }

  async #wantedKeys(): Promise<ReadonlyMap<string, boolean>> {
    const { containerd, asked } = this.#deps;
    const all = await this.namespaces();
    return asked.during(async () => {
      for (const namespace of all) {
        const batches = containerd
          .service(snapshots)
          .List({ snapshotter: this.#snapshotter }, this.#call(namespace));
        // Read to its end: containerd asks for each of them.
        for await (const _ of batches);
      }
    });
  }

  /** One that has children is refused with FailedPrecondition; one that is not there is no error. */
  async forget({ namespace, name }: ClientName): Promise<void> {
    const service = this.#deps.containerd.service(snapshots);
    try {
      await service.Remove({ snapshotter: this.#snapshotter, key: name }, this.#call(namespace));
    } catch (error) {
      if (!(error instanceof StatusError && error.code === 'NotFound')) throw error;
    }
  }

  /** Runs containerd's garbage collection, which looks at a snapshotter only when something of it was removed. */
  async collect(): Promise<void> {
    const [namespace] = await this.namespaces();
    if (namespace === undefined) return;
    const call = this.#call(namespace);
    const { containerd } = this.#deps;
    const key = `nix-snapshotter-repair-${randomUUID()}`;
    const service = containerd.service(snapshots);
    await service.Prepare({ snapshotter: this.#snapshotter, key }, call);
    await service.Remove({ snapshotter: this.#snapshotter, key }, call);
    await containerd.service(leases).Create({ id: key }, call);
    await containerd.service(leases).Delete({ id: key, sync: true }, call);
  }

  /**
   * The images of a namespace by the name of the uppermost layer that each was unpacked to: containerd labels an image's
   * configuration with it (`core/unpack`).
   */
  async unpackedImages(namespace: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const { containerd } = this.#deps;
    const call = this.#call(namespace);
    const above = new Map<string, string[]>();
    const layers = new Map<string, string>();
    for await (const { info } of containerd.service(content).List({}, call)) {
      for (const { digest, labels } of info) {
        const layer = labels[`containerd.io/gc.ref.snapshot.${this.#snapshotter}`];
        if (layer !== undefined) layers.set(digest, layer);
        for (const [label, child] of Object.entries(labels)) {
          if (!label.startsWith('containerd.io/gc.ref.content')) continue;
          above.set(child, [...(above.get(child) ?? []), digest]);
        }
      }
    }
    const names = new Map<string, string[]>();
    for (const { name, target } of (await containerd.service(images).List({}, call)).images) {
      if (target !== null) names.set(target.digest, [...(names.get(target.digest) ?? []), name]);
    }
    const found = new Map<string, readonly string[]>();
    for (const [config, layer] of layers) {
      const digests = new Set([config]);
      for (const digest of digests) for (const parent of above.get(digest) ?? []) digests.add(parent);
      const of = [...digests].flatMap((digest) => names.get(digest) ?? []);
      found.set(layer, [...(found.get(layer) ?? []), ...of]);
    }
    return found;
  }

  #call(namespace: string) {
    return { metadata: { [NAMESPACE_KEY]: namespace }, timeoutMs: TIMEOUT_MS };
  }
}
