/** A text file of the node as it is. */
export interface FileState {
  readonly text: string;
  /** Permission bits. */
  readonly mode: number;
}

/** How what setup wrote is taken out of a file that somebody has changed since. */
export type Removal =
  /** The file is setup's as a whole: changed, it is left. */
  | { readonly kind: 'file' }
  /** These lines, each found exactly, go. */
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  /** These keys, each a path, go. */
  | { readonly kind: 'json-keys' | 'yaml-keys'; readonly keys: readonly (readonly string[])[] };

/** One file as it shall be. */
export interface FileChange {
  /** Absolute, as the node knows it. */
  readonly path: string;
  readonly text: string;
  /** Of a file that is made, and of one that holds a secret; any other keeps its own. */
  readonly mode: number;
  /** Whether nobody but the owner may read it: what is there already loses other bits. */
  readonly secret: boolean;
  readonly removal: Removal;
}

/** What setup is told to prepare a node for. */
export const TARGETS = ['containerd', 'hosts', 'k3s', 'nerdctl', 'podman'] as const;
export type Target = (typeof TARGETS)[number];

/** A file that is setup's as a whole. */
export function ownFile(path: string, text: string, secret = false): FileChange {
  return { path, text, mode: secret ? 0o600 : 0o644, secret, removal: { kind: 'file' } };
}
