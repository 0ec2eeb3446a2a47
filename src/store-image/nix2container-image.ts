import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { LayerClosure } from '../closure/annotations.ts';
import { STORE_DIR, type StorePath, storePathName } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import { NO_BASE } from '../image/base-image.ts';
import { type Descriptor, MEDIA } from '../image/descriptor.ts';
import { Digester, nowhere, Verifier } from '../image/digest.ts';
import type { OutputLayer } from '../image/output-image.ts';
import { platform } from '../image/platform.ts';
import type { StoreFiles } from '../image/store-files.ts';
import type { NixStore } from '../nix/store.ts';
import { composeImage } from './compose.ts';
import {
  inputsOf,
  type LayerFile,
  type Nix2containerImage,
  type RewrittenPath,
} from './nix2container-json.ts';
import { rewrittenTar } from './rewritten-tar.ts';
import type { ServedImage } from './served-image.ts';

export interface Nix2containerImageDeps {
  readonly nix: Pick<NixStore, 'closure'>;
  readonly store: StoreFiles;
  /** Makes paths valid and roots them. */
  readonly realise: (paths: readonly StorePath[]) => Promise<void>;
  /** Nobody waits any more. */
  readonly signal: AbortSignal;
}

/**
 * The image that nix2container's JSON describes, with one Nix layer in place of the layers that only carry store paths. Its
 * other layers are below that: what nix2container wrote to the store as it is, and rewritten paths as tars that are made from
 * the store whenever they are asked for.
 *
 * @param path of the JSON file, for names and messages.
 * @throws StatusError what realising raises, and what is wrong with the layers.
 */
export async function nix2containerImage(
  path: StorePath,
  described: Nix2containerImage,
  { nix, store, realise, signal }: Nix2containerImageDeps,
): Promise<ServedImage> {
  const inputs = inputsOf(described);
  await realise(inputs);
  const { architecture, config, paths, ordinary } = described;
  const shown = paths.length === 0 ? [] : await nix.closure(paths);
  const closure: LayerClosure = { kind: 'paths', paths: shown };
  const layers: OutputLayer[] = [];
  for (const layer of ordinary)
    layers.push('file' in layer ? storedLayer(layer, store) : await rewrittenLayer(layer, store, signal));
  const base = { ...NO_BASE, layers, history: layers.map(() => ({ created_by: 'nix2container' })) };
  const image = await composeImage(
    {
      ref: storePathName(path),
      platform: platform('linux', architecture),
      config,
      base,
      closure,
      paths: shown,
      copyToRoots: [],
    },
    store,
  );
  return { ...image, inputs };
}

function storedLayer({ file, digest, size, diffId, mediaType }: LayerFile, store: StoreFiles): OutputLayer {
  const descriptor = { mediaType, digest, size };
  return {
    descriptor,
    diffId,
    open: async () => {
      // Links are followed inside the store only.
      const real = await store.realFile(file);
      if (real === undefined) throw new StatusError('DataLoss', `${file}: is no file of the store`);
      return verified(createReadStream(real), descriptor, file);
    },
  };
}

async function rewrittenLayer(
  paths: readonly RewrittenPath[],
  store: StoreFiles,
  signal: AbortSignal,
): Promise<OutputLayer> {
  const digester = new Digester();
  await pipeline(rewrittenTar(paths, store.realStoreDir), digester, nowhere(), { signal });
  const diffId = digester.digest();
  const descriptor = { mediaType: MEDIA.ociLayer, digest: diffId, size: digester.size };
  const what = `the layer of ${paths[0]?.path ?? STORE_DIR}`;
  return {
    descriptor,
    diffId,
    open: async () => verified(rewrittenTar(paths, store.realStoreDir), descriptor, what),
  };
}

function verified(source: Readable, descriptor: Descriptor, what: string): Readable {
  const verifier = new Verifier(descriptor, what);
  source.once('error', (error) =>
    verifier.destroy(new StatusError('DataLoss', `${what}: ${messageOf(error)}`)),
  );
  verifier.once('close', () => source.destroy());
  return source.pipe(verifier);
}
