/** Ends each line that setup adds to a file of somebody else. */
export const MARKER = '# by nix-snapshotter setup';

/** Begins each file that is setup's as a whole. */
export const HEADER = `# Written by "nix-snapshotter setup"; "nix-snapshotter setup --undo" removes it.`;

/** A line that can be told from the owner's. */
export function marked(line: string): string {
  return `${line} ${MARKER}`;
}
