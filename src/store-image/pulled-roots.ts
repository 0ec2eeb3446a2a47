import { createHash } from 'node:crypto';
import { lstat, lutimes, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseStorePath, STORE_DIR, type StorePath, storePathName } from '../closure/store-path.ts';

const FLAKE_PREFIX = 'flake-';

export interface FoundRoot {
  readonly link: string;
  readonly since: number;
}

/** The GC roots of what was pulled and has no snapshot yet: links in a directory of their own. */
export class PulledRoots {
  readonly #directory: string;

  constructor(options: { readonly directory: string }) {
    this.#directory = options.directory;
  }

  /** The link for paths that are realised together. */
  link(paths: readonly StorePath[]): string {
    const [only] = paths;
    const name =
      only !== undefined && paths.length === 1
        ? storePathName(only)
        : createHash('sha256').update(paths.join('\n')).digest('hex').slice(0, 32);
    return join(this.#directory, name);
  }

  /** The link for what a flake evaluates to, or for a derivation file that waits to be built; no store path is called like it. */
  linkOfFlake(flake: string): string {
    const name = createHash('sha256').update(flake).digest('hex').slice(0, 32);
    return join(this.#directory, `${FLAKE_PREFIX}${name}`);
  }

  /** The root of a build or an evaluation that a link belongs to, for further outputs have links of their own; undefined: of none. */
  static buildRoot(link: string): string | undefined {
    const name = basename(link);
    if (name.startsWith(FLAKE_PREFIX)) return link;
    const derivation = /^.*?\.drv(?=$|-)/.exec(name)?.[0];
    return derivation === undefined ? undefined : join(dirname(link), derivation);
  }

  /** The path that a link was made for; undefined for several, and for what a flake evaluates to. */
  static pathOf(link: string): StorePath | undefined {
    return parseStorePath(join(STORE_DIR, basename(link)));
  }

  /** Notes now as the time of the last use on a link. */
  async noteUse(link: string): Promise<void> {
    const now = new Date();
    await lutimes(link, now, now);
  }

  /** Links that an earlier run of the daemon left, and when they were used last, in milliseconds since 1970. */
  async found(): Promise<readonly FoundRoot[]> {
    const found: FoundRoot[] = [];
    for (const name of await readdir(this.#directory)) {
      const link = join(this.#directory, name);
      found.push({ link, since: (await lstat(link)).mtimeMs });
    }
    return found;
  }
}
