import {
  CLOSURE_ANNOTATION,
  LAYER_DIGEST_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
  type LayerClosure,
} from '../closure/annotations.ts';
import { StatusError } from '../errors.ts';
import type { BaseImage } from './base-image.ts';
import { describe, describeManifest, encodeJson, MEDIA } from './descriptor.ts';
import type { History, RunConfig } from './image-config.ts';
import { mergeRunConfig } from './merge-config.ts';
import type { OutputImage, OutputLayer } from './output-image.ts';
import type { Platform } from './platform.ts';

/** A fixed date, so that equal inputs are equal bytes; one second after the epoch, as nixpkgs' dockerTools has it. */
const CREATED = '1970-01-01T00:00:01Z';
const BASE_DIGEST_ANNOTATION = 'org.opencontainers.image.base.digest';
/** Registries commonly refuse manifests of more than 4 MiB. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** A layer that goes on top of the base image. */
export interface AddedLayer {
  readonly layer: OutputLayer;
  /** What it holds, for the image's history. */
  readonly comment: string;
}

/**
 * Puts layers on a base image: merged config, history, diff ids, manifest. Pure.
 *
 * @param added the lowest first.
 * @throws StatusError ResourceExhausted when so many paths are annotated that the manifest grows beyond 4 MiB.
 */
export function assembleImage(parts: {
  readonly ref: string;
  readonly platform: Platform;
  readonly base: BaseImage;
  readonly config: RunConfig;
  readonly added: readonly AddedLayer[];
}): OutputImage {
  const { ref, platform, base, added } = parts;
  const layers = [...base.layers, ...added.map(({ layer }) => layer)];
  const author = base.config['author'];
  const configBytes = encodeJson({
    created: CREATED,
    ...(typeof author === 'string' ? { author } : {}),
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: mergeRunConfig(base.config.config ?? {}, parts.config),
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: [...base.history, ...added.map(({ comment }) => historyEntry(comment))],
  });
  const config = { descriptor: describe(MEDIA.ociConfig, configBytes), bytes: configBytes };
  const manifest = describeManifest(
    config.descriptor,
    layers.map(({ descriptor }) => descriptor),
    base.digest === undefined ? undefined : { [BASE_DIGEST_ANNOTATION]: base.digest },
  );
  if (manifest.bytes.length > MAX_MANIFEST_BYTES) {
    throw new StatusError(
      'ResourceExhausted',
      `the manifest would be ${manifest.bytes.length} bytes, registries take ${MAX_MANIFEST_BYTES}: ` +
        'use --annotate closure, which needs one annotation for the whole closure',
    );
  }
  return { ref, platform, manifest, config, layers };
}

/** A layer that names a closure, with what containerd hands to the snapshotter as labels. */
export function nixLayer(layer: OutputLayer, closure: LayerClosure): AddedLayer {
  const { descriptor } = layer;
  const annotations = { ...closureAnnotations(closure), [LAYER_DIGEST_ANNOTATION]: descriptor.digest };
  return { layer: { ...layer, descriptor: { ...descriptor, annotations } }, comment: 'Nix store paths' };
}

/** The layer of what is shown at the container's root. */
export function rootLayer(layer: OutputLayer): AddedLayer {
  return { layer, comment: 'links to Nix store paths' };
}

function historyEntry(comment: string): History {
  return { created: CREATED, created_by: 'nix2container', comment };
}

function closureAnnotations(closure: LayerClosure): Record<string, string> {
  if (closure.kind === 'closure-info') return { [CLOSURE_ANNOTATION]: closure.path };
  const paths = closure.paths.map((path, i) => [`${LEGACY_PATH_PREFIX}${i}`, path]);
  return { [LEGACY_LAYER_ANNOTATION]: 'true', ...Object.fromEntries(paths) };
}
