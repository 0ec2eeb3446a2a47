import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rmdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { LayerClosure } from '../../closure/annotations.ts';
import type { StorePath } from '../../closure/store-path.ts';
import { errnoOf, messageOf, StatusError } from '../../errors.ts';
import { bootId, isOfThisBoot } from '../../host/boot.ts';
import { diskError } from '../../host/disk-error.ts';
import { makeDirectories } from '../../host/make-directories.ts';
import { detachMount } from '../../host/mount.ts';
import { mountsThatFailed } from '../../host/mount-limit.ts';
import { isStacked } from '../../host/overlay.ts';
import { KeyedMutex } from '../../host/mutex.ts';
import { namesIn } from '../../host/names-in.ts';
import { removeTree, TEMPORARY_PREFIX } from '../../host/snapshot-directory.ts';
import type { Log } from '../../log.ts';
import { problemError } from '../../problems/problem.ts';
import { readEntries } from '../entries.ts';
import type { ClosureEntry } from '../view.ts';
import type { ClosureViews, Shown } from './closure-views.ts';
import { fingerprint, viewKey } from './fingerprint.ts';
import { mountView } from './mount-view.ts';
import { planMetadata } from './plan-metadata.ts';
import { storeStamp } from './store-stamp.ts';
import { writeMetadata } from './write-metadata.ts';

export interface OverlayViewsOptions {
  /** Made when the first view is; no `:`, `,` or backslash in it. */
  readonly directory: string;
  /** Who may use the views: this user alone unless told, or everybody. */
  readonly usableBy?: 'owner' | 'everybody';
}

export interface OverlayViewsDeps {
  /** The directory on this host that holds what containers see as `/nix/store`. */
  readonly realStoreDir: () => Promise<string>;
  readonly log: Log;
}

/** The file at the top of metadata, and so of a mounted view, that says which state of the store it was made from. */
const FINGERPRINT_FILE = 'fingerprint';
/** The file at the top of metadata that says during which run of the host it was made; metadata is not synced. */
const BOOT_FILE = 'boot';
/** Each makes an archive of a megabyte for a thousand paths, and keeps a processor busy. */
const METADATA_AT_ONCE = 2;
/** Mounts that may lie upon each other where paths were repaired under a view. */
const MAX_STACKED = 64;

/**
 * Views of closures: directories that show exactly a closure as `nix/store`, by one mount each, shared by all
 * snapshots.
 *
 * ```
 * <directory>/<key>/<fingerprint>/root/nix/store/<name>   metadata, see planMetadata
 * <directory>/<key>/view                                  where it is mounted, over the store; its `root` is the view
 * ```
 *
 * A store path that was deleted and made again needs new metadata and a new mount: containers that run keep the old one,
 * so it is mounted over that, and both go with the last user.
 */
export class OverlayViews implements ClosureViews {
  readonly #directory: string;
  /** Of directories on the way to a view: nobody lists them. */
  readonly #mode: number;
  readonly #deps: OverlayViewsDeps;
  readonly #mutex = new KeyedMutex();
  readonly #limit = pLimit(METADATA_AT_ONCE);
  /** Views whose paths were all there when the store had this stamp. */
  readonly #checked = new Map<string, { readonly stamp: bigint; readonly metadata: string }>();

  constructor(options: OverlayViewsOptions, deps: OverlayViewsDeps) {
    this.#directory = options.directory;
    this.#mode = options.usableBy === 'everybody' ? 0o711 : 0o700;
    this.#deps = deps;
  }

  /**
   * Sees to it that the closure's view is mounted and shows the paths as they are now. Costs two look-ups while the store
   * does not change, one for each path when it has, and one mount when the view is new.
   */
  async show(
    closure: LayerClosure,
    pathsOf: () => Promise<readonly StorePath[] | undefined>,
  ): Promise<Shown> {
    const realStoreDir = await this.#deps.realStoreDir();
    const key = viewKey(closure);
    const view = this.#viewOf(key);
    const root = join(view, 'root');
    const stamp = storeStamp(realStoreDir);
    const checked = this.#checked.get(key);
    if (checked !== undefined && checked.stamp === stamp && existsSync(root)) {
      return { root, metadata: checked.metadata };
    }
    return this.#mutex.run([key], async () => {
      const paths = await pathsOf();
      if (paths === undefined) return { missing: [] };
      const { entries, missing } = await readEntries(paths, realStoreDir);
      if (missing.length > 0) return { missing };
      const state = fingerprint(entries, realStoreDir);
      const metadata = join(this.#directory, key, state);
      try {
        await this.#checkLayable(realStoreDir);
        if (this.#mounted(key) !== state) {
          await this.#limit(() => this.#makeMetadata(key, state, entries));
          await this.#makeViewDirectory(key);
          await mountView(metadata, realStoreDir, view);
        }
      } catch (error) {
        const mounts = await mountsThatFailed(error);
        // Binds would need even more.
        if (mounts !== undefined) throw outOfMounts(closure, mounts);
        return { refused: messageOf(error) };
      }
      if (stamp === undefined) this.#checked.delete(key);
      else this.#checked.set(key, { stamp, metadata });
      return { root, metadata };
    });
  }

  /** The keys of mounted views, with the number of paths that each shows. */
  async mounted(): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const key of await namesIn(this.#directory)) {
      if (this.#mounted(key) === undefined) continue;
      found.set(key, (await namesIn(join(this.#viewOf(key), 'root/nix/store'))).length);
    }
    return found;
  }

  /** True for a closure whose view was made here and is not mounted any more: the host was started anew. */
  isLost(closure: LayerClosure): boolean {
    const key = viewKey(closure);
    return existsSync(join(this.#directory, key)) && !existsSync(join(this.#viewOf(key), 'root'));
  }

  /**
   * Unmounts and removes every view that is not in use, and what a crash left of one under construction.
   *
   * @param inUse asked again for each view, when nobody else works on it.
   */
  async collect(inUse: () => ReadonlySet<string>): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const key of await namesIn(this.#directory)) {
      await this.#mutex.run([key], async () => {
        try {
          if (inUse().has(key)) await this.#removeTemporary(key);
          else await this.#remove(key);
        } catch (error) {
          problems.push(`view ${join(this.#directory, key)} cannot be cleaned up: ${messageOf(error)}`);
        }
      });
    }
    return problems;
  }

  #viewOf(key: string): string {
    return join(this.#directory, key, 'view');
  }

  async #makeViewDirectory(key: string): Promise<void> {
    await makeDirectories(join(this.#directory, key), this.#mode);
    await makeDirectories(this.#viewOf(key), this.#mode);
  }

  /** The state that the mounted view shows; undefined when none is mounted. */
  #mounted(key: string): string | undefined {
    try {
      return readFileSync(join(this.#viewOf(key), FINGERPRINT_FILE), 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw new StatusError('Internal', `view ${this.#viewOf(key)} cannot be read: ${messageOf(error)}`);
    }
  }

  /** Makes the metadata under another name first, so that what has its name is whole. */
  async #makeMetadata(key: string, state: string, entries: readonly ClosureEntry[]): Promise<void> {
    const metadata = join(this.#directory, key, state);
    if (existsSync(metadata)) {
      // A host that lost power may have kept the directory and lost what is in it; after its start nothing uses it.
      if (isOfThisBoot(join(metadata, BOOT_FILE))) return;
      await removeTree(metadata);
    }
    let temporary: string | undefined;
    try {
      await this.#makeViewDirectory(key);
      temporary = await mkdtemp(join(this.#directory, key, TEMPORARY_PREFIX));
      const top = temporary;
      const parents = ['root', 'root/nix', 'root/nix/store'].map((name) => join(top, name));
      for (const parent of parents) await mkdir(parent);
      await writeMetadata(join(temporary, 'root/nix/store'), planMetadata(entries));
      for (const parent of parents) await chmod(parent, 0o755);
      for (const parent of parents) await utimes(parent, 1, 1);
      await writeFile(join(temporary, FINGERPRINT_FILE), state);
      await writeFile(join(temporary, BOOT_FILE), bootId());
      await chmod(temporary, this.#mode);
      await rename(temporary, metadata);
    } catch (error) {
      if (temporary !== undefined) await removeTree(temporary);
      if (error instanceof StatusError) throw error;
      throw diskError(`metadata of view ${join(this.#directory, key)} cannot be made`, error);
    }
  }

  /** A container's root is one more overlay on top of the view. */
  async #checkLayable(realStoreDir: string): Promise<void> {
    const cannot = (why: string) => new StatusError('FailedPrecondition', why);
    if (/[:,\\]/.test(realStoreDir)) {
      throw cannot(
        `the store's directory ${realStoreDir} has a colon, comma or backslash, which mount options cannot hold`,
      );
    }
    await makeDirectories(this.#directory, this.#mode);
    for (const directory of [realStoreDir, this.#directory]) {
      if (await isStacked(directory)) {
        throw cannot(`${directory} lies on an overlay itself, and the kernel stacks only two`);
      }
    }
  }

  /** What a crash left under construction: nobody constructs while the key is held. */
  async #removeTemporary(key: string): Promise<void> {
    for (const name of await namesIn(join(this.#directory, key))) {
      if (name.startsWith(TEMPORARY_PREFIX)) await removeTree(join(this.#directory, key, name));
    }
  }

  /** Only metadata is removed recursively: below a mounted view lies the host's store. */
  async #remove(key: string): Promise<void> {
    this.#checked.delete(key);
    const view = this.#viewOf(key);
    for (let mounts = 0; this.#mounted(key) !== undefined && mounts < MAX_STACKED; mounts += 1) {
      await detachMount(view);
    }
    if (existsSync(view)) await rmdir(view);
    await removeTree(join(this.#directory, key));
    this.#deps.log.debug({ view }, 'removed the view of a closure that nobody uses');
  }
}

function outOfMounts(closure: LayerClosure, mounts: number): StatusError {
  const path =
    closure.kind === 'closure-info' ? closure.path : `${closure.paths[0] ?? 'a closure'} and others`;
  return problemError('mount-max', { path, mounts: String(mounts) });
}
