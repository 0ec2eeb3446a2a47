import { type Dirent, lstatSync, opendirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { LAYER_MARKER, type ListedEntry, mayHoldMountPoints } from '../closure/recover.ts';

/** More entries than this are not looked at: a Nix layer of 50,000 store paths has fewer. */
const MAX_ENTRIES = 200_000;
/** Longest text of a marker, in bytes. */
const MAX_MARKER = 4096;
/** Entries of a directory that are read at a time: whatever a layer holds, no more are in memory. */
const READ_AT_ONCE = 256;

/**
 * Lists a layer for `recoverClosure`: nothing when it has no `nix/store` for mount points, else the marker, what is below `nix/store`, and
 * the rest, each directory before what is in it. Synchronous and lazy: for an ordinary layer it costs one look-up. Links
 * are never followed. An entry of kind `other` ends a list that is too long.
 *
 * @param most so many entries are listed.
 */
export function* scanLayer(fs: string, most = MAX_ENTRIES): Generator<ListedEntry, void> {
  const nix = join(fs, 'nix');
  const store = join(nix, 'store');
  const stats = isDirectory(nix) ? lstatSync(store, { throwIfNoEntry: false }) : undefined;
  if (stats?.isDirectory() !== true || !mayHoldMountPoints(stats.mode)) return;
  yield* marker(fs);
  let left = most;
  for (const entry of storeThenRest(fs)) {
    left -= 1;
    yield left < 0 ? { path: entry.path, kind: 'other' } : entry;
    if (left < 0) return;
  }
}

function* storeThenRest(fs: string): Generator<ListedEntry, void> {
  yield* walk(fs, 'nix/store', new Set());
  yield* walk(fs, '', new Set(['nix/store', LAYER_MARKER]));
}

function* marker(fs: string): Generator<ListedEntry, void> {
  const file = join(fs, LAYER_MARKER);
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.size > MAX_MARKER) return;
  const markerText = readFileSync(file, 'utf8');
  yield { path: LAYER_MARKER, kind: 'file', empty: stats.size === 0, markerText };
}

/** Everything below `directory` except the paths in `skip` and what is below them. */
function* walk(fs: string, directory: string, skip: ReadonlySet<string>): Generator<ListedEntry, void> {
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const dirent of entriesOf(join(fs, next))) {
      const path = next === '' ? dirent.name : `${next}/${dirent.name}`;
      if (skip.has(path)) continue;
      const entry = listed(fs, path, dirent);
      yield entry;
      if (entry.kind === 'directory') pending.push(path);
    }
  }
}

/** What is in a directory, read no further than it is asked for. */
function* entriesOf(directory: string): Generator<Dirent, void> {
  using entries = opendirSync(directory, { bufferSize: READ_AT_ONCE });
  for (let next = entries.readSync(); next !== null; next = entries.readSync()) yield next;
}

/** A name that is not UTF-8 cannot be looked up again as text, and no Nix layer has one: kind `other`. */
function listed(fs: string, path: string, dirent: Dirent): ListedEntry {
  if (dirent.name.includes('\uFFFD')) return { path, kind: 'other' };
  if (dirent.isDirectory()) return { path, kind: 'directory' };
  if (dirent.isSymbolicLink()) return { path, kind: 'symlink', target: readlinkSync(join(fs, path)) };
  if (dirent.isFile()) return { path, kind: 'file', empty: lstatSync(join(fs, path)).size === 0 };
  return { path, kind: 'other' };
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
