import type { LayerClosure } from '../closure/annotations.ts';
import type { SnapshotRecord, StoredClosure } from '../metadata/schema.ts';
import type { Change } from '../metadata/store.ts';
import type { MountPoint } from '../view/view.ts';
import type { Owner } from './id-mapping.ts';
import type { Subject } from '../policy/subject.ts';

/** What must hold at the moment of a change; checked again there, because a plan may have waited for Nix. */
export type Expectation =
  /** The key is free. */
  | { readonly type: 'free'; readonly key: string }
  /** The parent is there and committed. */
  | { readonly type: 'committed'; readonly key: string }
  /** The record is still the one the plan was made from. */
  | { readonly type: 'unchanged'; readonly key: string; readonly id: number }
  /** No snapshot has this one as its parent. */
  | { readonly type: 'childless'; readonly key: string };

/**
 * Everything a snapshot operation can do. A plan is a list of these; what comes before its `put` is undone when
 * a later step fails, what comes after it only cleans up.
 */
export type Step =
  /** Make the closure valid and root it for the snapshot. Waits, bounded. */
  | {
      readonly type: 'realise';
      readonly id: number;
      readonly closure: LayerClosure;
      /** Nothing is known of it when left out. */
      readonly subject?: Subject;
    }
  /** Make `snapshots/<id>` with a copy of the record, `fs` (0755, owned as said) and, for an active snapshot, `work`. */
  | { readonly type: 'make-directory'; readonly record: SnapshotRecord; readonly owner: Owner | undefined }
  /** Make mount points in the snapshot's own `fs`. */
  | { readonly type: 'make-mount-points'; readonly id: number; readonly mountPoints: readonly MountPoint[] }
  /** Change the metadata: atomic, synced. */
  | { readonly type: 'put'; readonly expect: readonly Expectation[]; readonly changes: readonly Change[] }
  /** Bring the copy of the record in the snapshot's directory up to date. */
  | { readonly type: 'copy-record'; readonly record: SnapshotRecord }
  /** Realise and root without being waited for. */
  | { readonly type: 'realise-later'; readonly id: number; readonly closure: LayerClosure }
  /** Make the view of a stored layer's closure without being waited for. */
  | { readonly type: 'show-later'; readonly id: number; readonly closure: StoredClosure }
  /** Take away the views that no layer has any more. */
  | { readonly type: 'collect-views' }
  | { readonly type: 'remove-directory'; readonly id: number }
  | { readonly type: 'remove-roots'; readonly id: number }
  /** Note on the snapshot's root that it is in use until now. */
  | { readonly type: 'note-use'; readonly id: number }
  /** Keep the root of a snapshot that is gone for the grace period. */
  | { readonly type: 'retire-roots'; readonly id: number }
  /** Remove a directory in `snapshots/`, by its name, that belongs to no snapshot; waited for. */
  | { readonly type: 'remove-garbage'; readonly name: string };

/**
 * A point between two effects: around a step, around its undoing, and around the work that a step leaves to be done later.
 */
export interface Boundary {
  readonly step: Step['type'];
  readonly at: 'before' | 'after' | 'before undo' | 'after undo' | 'before work' | 'after work';
}

/** Told of each boundary as it is crossed; what it throws at `before` fails the step. */
export type OnBoundary = (boundary: Boundary) => void;
