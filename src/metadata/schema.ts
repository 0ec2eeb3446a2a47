import type { LayerClosure } from '../closure/annotations.ts';

/** Wall-clock time as protobuf's Timestamp: whole seconds since 1970 and nanoseconds within the second. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}

export type SnapshotKind = 'active' | 'view' | 'committed';

/** Disk usage as containerd counts it: allocated bytes, and inodes with the root directory. */
export interface Usage {
  readonly size: number;
  readonly inodes: number;
}

/** A layer's closure as stored with its snapshot. */
export interface StoredClosure {
  readonly closure: LayerClosure;
  /**
   * `label`: named by annotations. `recovered`: learnt from the layer's own mount points at Commit. `verified`: the layer's diff ID
   * is that of these store paths themselves, so nothing was unpacked.
   */
  readonly source: 'label' | 'recovered' | 'verified';
  /** The policy has not let it in when it was stored: it is asked when the closure is realised. */
  readonly unchecked?: true;
}

/** Everything that is stored of one snapshot. */
export interface SnapshotRecord {
  /** The caller's key (active, view) or name (committed): opaque, one flat name space. */
  readonly key: string;
  /** Names the directory `snapshots/<id>`; grows by one, never used again. */
  readonly id: number;
  readonly kind: SnapshotKind;
  /** The name of the committed parent, '' for none. */
  readonly parent: string;
  readonly created: Timestamp;
  readonly updated: Timestamp;
  readonly labels: ReadonlyMap<string, string>;
  /** Set at Commit, but for Nix layers, whose usage is counted when somebody asks. */
  readonly usage?: Usage;
  /** Set on the snapshot of a Nix layer. */
  readonly closure?: StoredClosure;
  /** How the closures of its chain are shown, for a snapshot whose chain has some. */
  readonly view?: 'overlay' | 'binds' | 'store';
  /** True when this snapshot's own `fs` holds mount points that its chain lacked. */
  readonly ownMountPoints?: boolean;
}

/** A record that is on disk but cannot be read: its key and, when known, its id are still taken. */
export interface DegradedRecord {
  readonly key: string;
  readonly id: number | undefined;
  readonly reason: string;
}
