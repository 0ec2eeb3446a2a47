import type { DegradedRecord, SnapshotRecord } from '../metadata/schema.ts';

/** What a repair is planned from. */
export interface RepairFacts {
  readonly records: readonly SnapshotRecord[];
  readonly degraded: readonly DegradedRecord[];
  /** Ids of records whose directory is gone. */
  readonly gone: ReadonlySet<number>;
  /** Ids of directories that no record names since metadata was lost. */
  readonly kept: ReadonlySet<number>;
  /** Ids of directories that a mount uses: a container runs on them. */
  readonly mounted: ReadonlySet<number>;
  /** Ids of records whose closure has no GC root. */
  readonly unrooted: ReadonlySet<number>;
  /** The keys by which containerd asks for its snapshots; undefined when it does not say. */
  readonly wanted: ReadonlySet<string> | undefined;
  /** Why it does not. */
  readonly unanswered?: string;
}

/** A snapshot as containerd's clients name it. */
export interface ClientName {
  readonly namespace: string;
  readonly name: string;
}

/** `<namespace>/<number>/<name>`: what containerd makes of a client's name (`core/metadata/snapshot.go`, createKey). */
export function clientName(key: string): ClientName | undefined {
  const [, namespace, name] = /^([^/]+)\/\d+\/(.*)$/s.exec(key) ?? [];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}
