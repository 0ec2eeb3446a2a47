import { existsSync } from 'node:fs';
import type { Background } from '../host/background.ts';
import type { Log } from '../log.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Cleanup } from './cleanup.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { LayerViews } from './layer-views.ts';
import type { Layout } from './layout.ts';

export interface ReconcileDeps {
  readonly store: MetadataStore;
  readonly layout: Layout;
  readonly roots: LayerRoots;
  readonly cleanup: Cleanup;
  readonly views: Pick<LayerViews, 'restore'>;
  readonly background: Background;
  readonly log: Log;
}

/**
 * Brings metadata, directories and GC roots together at start: removes what belongs to no snapshot, roots anew what lost
 * its root, mounts views again. Never fails because of one snapshot or one directory.
 *
 * @returns what could not be repaired, one sentence each, for `status`.
 */
export async function reconcile({
  store,
  layout,
  roots,
  cleanup,
  views,
  background,
  log,
}: ReconcileDeps): Promise<readonly string[]> {
  const problems: string[] = [];
  if (store.repaired) {
    problems.push(
      `metadata ${layout.metadata} was corrupt and is repaired; records may be lost, so no directory is cleaned up in this run: ` +
        'remove and pull again what containerd misses, then restart nix-snapshotter',
    );
  }
  for (const { key, reason } of store.degraded()) {
    problems.push(`snapshot ${JSON.stringify(key)}: ${reason}; remove it and pull the image again`);
  }
  const left = await cleanup.run();
  for (const record of store.list()) {
    const directory = layout.fs(record.id);
    if (!existsSync(directory)) {
      problems.push(
        `snapshot ${JSON.stringify(record.key)}: its directory ${directory} is gone; remove it and pull the image again`,
      );
    }
    if (record.closure !== undefined && !roots.isRooted(record.id)) {
      roots.secureLater(record.id, record.closure.closure);
    }
  }
  background.add('mount views', () => views.restore());
  for (const problem of problems) log.error({ problem }, 'reconcile found what it cannot repair');
  return [...left, ...problems];
}
