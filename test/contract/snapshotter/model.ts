import type { SnapshotsKind } from '../../../proto/gen/messages.ts';
import type { StatusCode } from '../../../src/errors.ts';

/** One call, with small names so that calls meet. */
export type Operation =
  | {
      readonly type: 'Prepare' | 'View';
      readonly key: string;
      readonly parent: string;
      readonly labels: Labels;
    }
  | {
      readonly type: 'Commit';
      readonly key: string;
      readonly name: string;
      readonly parent: string;
      readonly labels: Labels;
    }
  | { readonly type: 'Update'; readonly key: string; readonly labels: Labels }
  | { readonly type: 'Remove' | 'Mounts' | 'Stat'; readonly key: string }
  | { readonly type: 'Cleanup' };

export type Labels = Readonly<Record<string, string>>;
export type Outcome = StatusCode | 'OK';

interface Entry {
  readonly kind: SnapshotsKind;
  readonly parent: string;
  readonly labels: Labels;
}

/** What a snapshotter is, without directories and times: containerd `storage/bolt.go` in a few lines. */
export class Model {
  readonly entries = new Map<string, Entry>();

  apply(operation: Operation): Outcome {
    switch (operation.type) {
      case 'Prepare':
      case 'View':
        return this.#create(operation);
      case 'Commit':
        return this.#commit(operation);
      case 'Update':
        return this.#update(operation.key, operation.labels);
      case 'Remove':
        return this.#remove(operation.key);
      case 'Mounts': {
        const entry = this.entries.get(operation.key);
        if (entry === undefined) return 'NotFound';
        return entry.kind === 'COMMITTED' ? 'FailedPrecondition' : 'OK';
      }
      case 'Stat':
        return this.entries.has(operation.key) ? 'OK' : 'NotFound';
      default:
        return 'OK';
    }
  }

  #create({ type, key, parent, labels }: Operation & { type: 'Prepare' | 'View' }): Outcome {
    if (parent !== '') {
      const base = this.entries.get(parent);
      if (base === undefined) return 'NotFound';
      if (base.kind !== 'COMMITTED') return 'InvalidArgument';
    }
    if (this.entries.has(key)) return 'AlreadyExists';
    this.entries.set(key, { kind: type === 'View' ? 'VIEW' : 'ACTIVE', parent, labels });
    return 'OK';
  }

  #commit({ key, name, parent, labels }: Operation & { type: 'Commit' }): Outcome {
    const entry = this.entries.get(key);
    if (entry === undefined) return 'NotFound';
    if (this.entries.has(name)) return 'AlreadyExists';
    if (entry.kind !== 'ACTIVE') return 'FailedPrecondition';
    if (parent !== '' && entry.parent !== '' && parent !== entry.parent) return 'InvalidArgument';
    if (parent !== '' && entry.parent === '') {
      const base = this.entries.get(parent);
      if (base === undefined) return 'NotFound';
      if (base.kind !== 'COMMITTED') return 'FailedPrecondition';
    }
    this.entries.delete(key);
    this.entries.set(name, {
      kind: 'COMMITTED',
      parent: entry.parent === '' ? parent : entry.parent,
      labels,
    });
    return 'OK';
  }

  #update(key: string, labels: Labels): Outcome {
    const entry = this.entries.get(key);
    if (entry === undefined) return 'NotFound';
    this.entries.set(key, { ...entry, labels });
    return 'OK';
  }

  #remove(key: string): Outcome {
    if (!this.entries.has(key)) return 'NotFound';
    for (const { parent } of this.entries.values()) if (parent === key) return 'FailedPrecondition';
    this.entries.delete(key);
    return 'OK';
  }
}
