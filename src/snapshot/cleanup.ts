import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Background } from '../host/background.ts';
import { TEMPORARY_PREFIX } from '../host/snapshot-directory.ts';
import type { Log } from '../log.ts';
import type { Executor } from './execute.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { LayerViews } from './layer-views.ts';
import type { Layout } from './layout.ts';
import type { SnapshotIds } from './snapshot-ids.ts';

export interface CleanupDeps {
  readonly ids: SnapshotIds;
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly views: Pick<LayerViews, 'collect'>;
  readonly background: Background;
  readonly executor: Executor;
  readonly log: Log;
}

/** Removes directories, GC roots and views that belong to no snapshot. */
export class Cleanup {
  readonly #deps: CleanupDeps;

  constructor(deps: CleanupDeps) {
    this.#deps = deps;
  }

  /**
   * Safe beside running operations; resolves when what was garbage at the call is gone. A directory that cannot be removed
   * (it may hold a mount) stays, and the others go.
   *
   * @returns what could not be removed, one sentence each.
   */
  async run(): Promise<readonly string[]> {
    const { ids, layout, roots, views, background, executor, log } = this.#deps;
    await background.drained();
    // What is looked at comes first, then what is in use: a snapshot that is made meanwhile must not lose anything.
    const names = await readdir(layout.snapshots);
    const rooted = await roots.list();
    const mayBeUnderConstruction = ids.busy;
    const inUse = ids.inUse();
    if (inUse === undefined) {
      log.warn({}, 'clean-up is off: a degraded snapshot hides which directory is its own');
      return [];
    }
    const problems: string[] = [];
    for (const name of names) {
      const garbage = /^\d+$/.test(name)
        ? !inUse.has(Number(name))
        : name.startsWith(TEMPORARY_PREFIX) && !mayBeUnderConstruction;
      if (!garbage) continue;
      log.debug({ directory: name }, 'removing a directory without a snapshot');
      try {
        await executor.run([{ type: 'remove-garbage', name }]);
      } catch (error) {
        const directory = join(layout.snapshots, name);
        problems.push(
          `directory ${directory} of no snapshot cannot be removed: ${messageOf(error)}; remove it`,
        );
      }
    }
    for (const id of roots.orphans(rooted, inUse)) await executor.run([{ type: 'retire-roots', id }]);
    for (const problem of problems) log.error({ problem }, 'clean-up left something');
    return [...problems, ...(await views.collect())];
  }
}
