import type { LayerEntry } from '../closure/nix-layer.ts';
import type { StorePath } from '../closure/store-path.ts';
import type { BaseImage } from './base-image.ts';
import type { RunConfig } from './image-config.ts';
import { resolveRootLink } from './root-links.ts';
import { storePathOf } from './store-files.ts';

/** Docker refuses more layers than this. */
const MAX_LAYERS = 127;

/**
 * What is legal but will hurt when the image is run, in plain words. Pure.
 *
 * @param merged the finished config.
 * @param layers how many the image has.
 * @param links those at the container's root.
 * @param fakeRoot what is in the layer on top of them, without slashes at the ends.
 * @param closure all store paths of the image's Nix layer.
 * @param mentioned the store paths that config and copy-to-root name.
 */
export function buildWarnings(image: {
  readonly base: BaseImage;
  readonly merged: RunConfig;
  readonly layers: number;
  readonly links: readonly LayerEntry[];
  readonly fakeRoot: ReadonlySet<string>;
  readonly closure: ReadonlySet<StorePath>;
  readonly mentioned: readonly StorePath[];
}): readonly string[] {
  const { base, merged, layers, links, fakeRoot, closure, mentioned } = image;
  const warnings: string[] = [];
  for (const path of mentioned) {
    if (!closure.has(path))
      warnings.push(`${path} is used but is not in the closure: containers will not have it`);
  }
  const isThere = (path: string) => fakeRoot.has(path) || has(links, path);
  warnings.push(...programWarnings(merged, isThere, base.layers.length > 0));
  const volumes = Object.keys(merged.Volumes ?? {});
  if (volumes.length > 0) {
    warnings.push(
      `volumes are declared (${volumes.join(', ')}): Kubernetes cannot start such an image where store paths are ` +
        'mounted one by one (view "binds"); set ignore_image_defined_volumes in containerd, or use the overlay view',
    );
  }
  const user = (merged.User ?? '').split(':')[0] ?? '';
  if (/[^0-9]/.test(user) && base.layers.length === 0 && !isThere('etc/passwd')) {
    warnings.push(`user ${JSON.stringify(user)} is a name, but the image has no /etc/passwd: use a number`);
  }
  if ((base.config.config?.OnBuild ?? []).length > 0) {
    warnings.push('the base image has ONBUILD triggers: they are for a Dockerfile and are left out');
  }
  if (layers > MAX_LAYERS) {
    warnings.push(`the image has ${layers} layers: Docker takes at most ${MAX_LAYERS}`);
  }
  return warnings;
}

function programWarnings(
  merged: RunConfig,
  isThere: (path: string) => boolean,
  hasBase: boolean,
): readonly string[] {
  const program = merged.Entrypoint?.[0] ?? merged.Cmd?.[0];
  if (program === undefined) return ['no entrypoint and no command are set: a container must be given one'];
  if (program.startsWith('/')) {
    if (storePathOf(program) !== undefined || hasBase) return [];
    if (isThere(program.replace(/^\/+/, ''))) return [];
    return [`the program ${program} is not in the image: add it by --copy-to-root, or name its store path`];
  }
  const hasPath = (merged.Env ?? []).some((variable) => variable.startsWith('PATH='));
  if (hasPath || hasBase || ['bin', 'usr/bin'].some((dir) => isThere(`${dir}/${program}`))) return [];
  return [`the program ${JSON.stringify(program)} is no absolute path, and neither PATH nor /bin has it`];
}

function has(links: readonly LayerEntry[], path: string): boolean {
  return links.some((link) => link.path === path) || resolveRootLink(links, path) !== undefined;
}
