/** What was repaired: a kind of thing, and how many of it. */
export interface Repaired {
  /** `reconcile`, which each start does and each repair ends with, or the repair that `doctor --repair` asks for. */
  readonly by: 'reconcile' | 'doctor';
  readonly what: 'metadata' | 'directory' | 'gc-root' | 'view' | 'snapshot' | 'containerd';
  readonly count: number;
}

/** Whoever counts repairs. */
export type OnRepaired = (repaired: Repaired) => void;
