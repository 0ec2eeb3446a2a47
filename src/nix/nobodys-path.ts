import type { StorePath } from '../closure/store-path.ts';

/** A well-formed path that no store has: a question about it tells only whether somebody answers. */
export const NOBODYS_PATH = `/nix/store/${'0'.repeat(32)}-nix-snapshotter-asks` as StorePath;
