import { lstatSync, readlinkSync } from 'node:fs';
import { lutimes, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf, StatusError } from '../errors.ts';

/** `<id>`, or `.<n>_<id>`: what we or Nix (`replaceSymlink`) leave of a root that was being made when its maker was killed. */
const ROOT_NAME = /^(?:\.\d+_)?(\d{1,15})$/;
const DRAFT_NAME = /^\.\d+_\d{1,15}$/;

/**
 * The GC roots of snapshots: one symlink `<directory>/<snapshot id>` each, registered with Nix as an indirect root.
 * Nix forgets a registration by itself once its symlink is gone.
 */
export class GcRoots {
  readonly directory: string;

  /** @param options.directory exists. */
  constructor(options: { readonly directory: string }) {
    this.directory = options.directory;
  }

  link(id: number): string {
    return join(this.directory, String(id));
  }

  /** True when the root's symlink is there, whether or not what it names still is. */
  has(id: number): boolean {
    return lstatSync(this.link(id), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  }

  /** What a snapshot's root names, and the time noted on it in milliseconds since 1970; undefined without a root. */
  read(id: number): { readonly target: string; readonly usedAt: number } | undefined {
    const link = this.link(id);
    const stat = lstatSync(link, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink() !== true) return undefined;
    return { target: readlinkSync(link), usedAt: stat.mtimeMs };
  }

  /** Notes now as the time of the last use on a snapshot's root; none is no error. */
  async noteUse(id: number): Promise<void> {
    if (!this.has(id)) return;
    const now = new Date();
    await this.#named(() => lutimes(this.link(id), now, now));
  }

  /** Ids of snapshots that have something here, ascending. */
  async list(): Promise<readonly number[]> {
    const names = await this.#named(() => readdir(this.directory));
    const ids = names.map((name) => ROOT_NAME.exec(name)?.[1]).filter((id) => id !== undefined);
    return [...new Set(ids.map(Number))].toSorted((one, other) => one - other);
  }

  /** Removes what is left of roots that were being made when their maker was killed. To be called while nobody makes roots. */
  async removeDrafts(): Promise<void> {
    const names = await this.#named(() => readdir(this.directory));
    for (const name of names.filter((each) => DRAFT_NAME.test(each))) {
      await this.#named(() => rm(join(this.directory, name), { force: true }));
    }
  }

  /** Removes everything of a snapshot; nothing there is no error. */
  async remove(id: number): Promise<void> {
    const names = await this.#named(() => readdir(this.directory));
    for (const name of names) {
      if (ROOT_NAME.exec(name)?.[1] === String(id)) {
        await this.#named(() => rm(join(this.directory, name), { force: true, recursive: true }));
      }
    }
  }

  async #named<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new StatusError(
        errnoOf(error) === 'ENOSPC' ? 'ResourceExhausted' : 'Internal',
        `GC roots in ${this.directory}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
}
