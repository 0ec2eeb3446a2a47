import type { Readable } from 'node:stream';
import type { LayerClosure } from '../closure/annotations.ts';
import type { StorePath } from '../closure/store-path.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Platform } from '../image/platform.ts';

/** Bytes that a registry gives out. */
export interface ServedBlob {
  readonly descriptor: Descriptor;
  /** Of all bytes; a range is cut out of it by who serves it. */
  readonly open: () => Promise<Readable>;
}

/** An image as a registry has it. Disposing of it ends no stream that is open. */
export interface ServedImage extends AsyncDisposable {
  /** What a tag names: a manifest or an index. */
  readonly target: ServedBlob;
  /** Manifests, configs and layers by digest, the target among them. */
  readonly blobs: ReadonlyMap<string, ServedBlob>;
  /** What it runs on, as far as that was worked out from its store paths. */
  readonly platform?: Platform;
  /** What its Nix layers name. */
  readonly closures: readonly LayerClosure[];
  /** What layers name that hold the paths too: a node that has them unpacks nothing. */
  readonly held?: readonly LayerClosure[];
  /** Valid paths that it is read from, besides its own and those of {@link closures}. */
  readonly inputs?: readonly StorePath[];
}
