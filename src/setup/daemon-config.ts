import { type FileChange, ownFile } from './file-change.ts';
import { HEADER } from './marker.ts';
import { addKey } from './toml-edit.ts';

/** A key that the daemon's configuration lacks. */
export interface MissingKey {
  readonly table?: string;
  readonly key: string;
  readonly value: string;
}

/**
 * The daemon's configuration with keys it lacks, or nothing.
 *
 * @param before text of the file; undefined when there is none.
 * @throws StatusError FailedPrecondition when a line cannot be added.
 */
export function daemonConfig(
  path: string,
  before: string | undefined,
  missing: readonly MissingKey[],
): FileChange | undefined {
  if (missing.length === 0) return undefined;
  const lines: string[] = [];
  let text = before ?? '';
  for (const key of missing) {
    const edited = addKey(path, text, key);
    text = edited.text;
    lines.push(...edited.lines);
  }
  if (before === undefined) return ownFile(path, `${HEADER}\n${text}`);
  return { path, text, mode: 0o644, secret: false, removal: { kind: 'lines', lines } };
}
