import { existsSync, type Stats, statSync } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { basename, dirname, join, relative } from 'node:path';
import { messageOf, StatusError } from '../../errors.ts';
import { makeDirectories } from '../../host/make-directories.ts';
import { bindIdMapped, detachMount, type IdMapping, whyNoIdMapping } from '../../host/mount.ts';
import { KeyedMutex } from '../../host/mutex.ts';
import { namesIn } from '../../host/names-in.ts';
import { mountView } from './mount-view.ts';
import type { ShownView } from './closure-views.ts';

export interface MappedViewsOptions {
  /** Where the mounts go: below {@link root}, but no parent of layers or of metadata. */
  readonly directory: string;
  /** Above all layers and all metadata. */
  readonly root: string;
}

export interface MappedViewsDeps {
  readonly realStoreDir: () => Promise<string>;
}

/** Directories of a user-namespaced container, mapped to its ids. */
export interface MappedDirectories {
  /** The roots of the given views, in their order. */
  readonly roots: readonly string[];
  /** Where a directory below the root directory is seen mapped. */
  readonly mapped: (directory: string) => string;
}

/**
 * Views with the ids of a user-namespaced container. An overlay mount cannot be id-mapped, so what it is made of is:
 *
 * ```
 * <directory>/<mapping>/root    id-mapped bind of the root directory: layers and metadata
 * <directory>/<mapping>/store   id-mapped bind of the store
 * <directory>/<mapping>/<view>  a view made of those
 * ```
 *
 * They stay as long as a snapshot has the mapping: containerd mounts long after it got its answer, and asks again.
 */
export class MappedViews {
  readonly #options: MappedViewsOptions;
  readonly #deps: MappedViewsDeps;
  readonly #mutex = new KeyedMutex();
  /** How many snapshots are being made with a mapping. */
  readonly #held = new Map<string, number>();
  #hostIsFit = false;

  constructor(options: MappedViewsOptions, deps: MappedViewsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /**
   * Sees to it that everything is mounted for a mapping.
   *
   * @throws StatusError FailedPrecondition naming what the host lacks.
   */
  async show(mapping: IdMapping, views: readonly ShownView[]): Promise<MappedDirectories> {
    await this.#checkHost();
    const { root } = this.#options;
    const top = join(this.#options.directory, mappingKey(mapping));
    return this.#mutex.run([top], async () => {
      const mappedRoot = join(top, 'root');
      const mappedStore = join(top, 'store');
      const mapped = (directory: string) => join(mappedRoot, relative(root, directory));
      try {
        await bindOnce(root, mappedRoot, mapping);
        await bindOnce(await this.#deps.realStoreDir(), mappedStore, mapping);
        const roots: string[] = [];
        for (const { metadata } of views) {
          const view = join(top, `${basename(dirname(metadata))}-${basename(metadata)}`);
          if (!existsSync(join(view, 'root'))) {
            await makeDirectories(view, 0o700);
            await mountView(mapped(metadata), mappedStore, view);
          }
          roots.push(join(view, 'root'));
        }
        return { roots, mapped };
      } catch (error) {
        throw new StatusError(
          'FailedPrecondition',
          `a user-namespaced container of a Nix image needs id-mapped mounts of ${root} and of the store: ` +
            `${messageOf(error)}; the file systems and the kernel must support them: failed precondition`,
          { cause: error },
        );
      }
    });
  }

  /** Keeps what a mapping has mounted while `work` makes a snapshot with it. */
  async holding<T>(mapping: IdMapping, work: () => Promise<T>): Promise<T> {
    const key = mappingKey(mapping);
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (this.#held.get(key) ?? 1) - 1;
      if (left === 0) this.#held.delete(key);
      else this.#held.set(key, left);
    }
  }

  /**
   * Unmounts everything of mappings that are not in use.
   *
   * @param inUse the mappings that snapshots have; asked again for each one on disk.
   * @returns what could not be removed, one sentence each.
   */
  async collect(inUse: () => readonly IdMapping[]): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const key of await namesIn(this.#options.directory)) {
      const top = join(this.#options.directory, key);
      await this.#mutex.run([top], async () => {
        if (this.#held.has(key) || inUse().some((mapping) => mappingKey(mapping) === key)) return;
        try {
          await removeMounts(top);
        } catch (error) {
          problems.push(`id-mapped mounts in ${top} cannot be cleaned up: ${messageOf(error)}`);
        }
      });
    }
    return problems;
  }

  async #checkHost(): Promise<void> {
    if (this.#hostIsFit) return;
    const missing = await whyNoIdMapping();
    this.#hostIsFit = missing === undefined;
    if (missing === undefined) return;
    throw new StatusError(
      'FailedPrecondition',
      `a user-namespaced container of a Nix image needs ${missing}; install it, run the container without a user ` +
        'namespace, or set view = "binds" in the configuration: failed precondition',
    );
  }
}

function mappingKey({ users, groups }: IdMapping): string {
  return createHash('sha256')
    .update(JSON.stringify([users, groups]))
    .digest('hex')
    .slice(0, 16);
}

async function bindOnce(source: string, target: string, mapping: IdMapping): Promise<void> {
  await makeDirectories(target, 0o700);
  if (!isSame(statSync(source), statSync(target))) await bindIdMapped(source, target, mapping);
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** Nothing here is removed recursively: below the mounts lie the layers and the host's store. */
async function removeMounts(top: string): Promise<void> {
  const own = statSync(top);
  // Views first: they stand on the binds.
  const names = (await readdir(top)).toSorted((one, other) => other.length - one.length);
  for (const name of names) {
    const place = join(top, name);
    // A directory that is no mount point is on the device of the one above, and what is mounted here has entries.
    while (statSync(place).dev !== own.dev || (await readdir(place)).length > 0) await detachMount(place);
    await rmdir(place);
  }
  await rmdir(top);
}
