import { glob } from 'node:fs/promises';
import { dirname, matchesGlob, relative, resolve } from 'node:path';
import { CONTAINERD_CONFIG } from '../containerd/plugins.ts';
import { StatusError } from '../errors.ts';
import type { ConfigFile } from './containerd-drop-in.ts';
import type { NodeFiles } from './node-files.ts';
import { parseToml } from './toml-edit.ts';

/** A name that comes late in the order in which containerd merges. */
export const DROP_IN = '/etc/containerd/conf.d/90-nix-snapshotter.toml';
/**
 * What the main file imports to have the drop-in. containerd 2.2 and later show it as imported whatever the main file says ("containerd
 * config dump"), and do not import it unless the main file says so.
 */
export const DROP_IN_PATTERN = '/etc/containerd/conf.d/*.toml';
/** Files that import each other come to an end here. */
const MAX_FILES = 100;

/** What containerd's configuration is made of. */
export interface ContainerdFiles {
  /** The main file, if there is one, then what it imports, in containerd's order, without ours. */
  readonly files: readonly ConfigFile[];
  /** Whether our drop-in is among what is imported, were it there. */
  readonly importsDropIn: boolean;
}

/**
 * Reads the main file and all it imports.
 *
 * @throws StatusError FailedPrecondition naming a file that cannot be used.
 */
export async function readContainerdFiles(node: NodeFiles): Promise<ContainerdFiles> {
  const main = await node.read(CONTAINERD_CONFIG);
  // Without a main file no release imports anything.
  if (main === undefined) return { files: [], importsDropIn: false };
  const files: ConfigFile[] = [{ path: CONTAINERD_CONFIG, text: main.text }];
  let importsDropIn = false;
  for (const file of files) {
    for (const pattern of importsOf(file)) {
      if (pattern === DROP_IN || matchesGlob(DROP_IN, pattern)) importsDropIn = true;
      for (const path of await matching(pattern, node)) {
        if (path === DROP_IN || files.some((known) => known.path === path)) continue;
        const imported = await node.read(path);
        if (imported !== undefined) files.push({ path, text: imported.text });
        if (files.length > MAX_FILES)
          throw new StatusError(
            'FailedPrecondition',
            `${CONTAINERD_CONFIG} imports more than ${MAX_FILES} files`,
          );
      }
    }
  }
  return { files, importsDropIn };
}

function importsOf({ path, text }: ConfigFile): readonly string[] {
  const imports = parseToml(path, text)['imports'];
  if (!Array.isArray(imports)) return [];
  // Go's globs know no "**": it is "*" there.
  const patterns = imports.filter((one) => typeof one === 'string').map((one) => one.replaceAll(/\*+/g, '*'));
  return patterns.map((one) => resolve(dirname(path), one));
}

async function matching(pattern: string, node: NodeFiles): Promise<readonly string[]> {
  const top = node.here('/');
  const found = await Array.fromAsync(glob(node.here(pattern)));
  return found.map((path) => `/${relative(top, path)}`).toSorted();
}
