import { StatusError } from '../errors.ts';
import type { FileChange, FileState, Removal, Target } from './file-change.ts';
import { type FileRecord, hashOf, type Manifest } from './manifest.ts';
import { holdsOurs, withoutOurs } from './removal.ts';
import { linesIn } from './toml-edit.ts';

/** What is done to one file, as data. */
export interface FileStep {
  readonly path: string;
  readonly kind: 'create' | 'change' | 'remove' | 'restore' | 'unchanged' | 'leave';
  readonly before: FileState | undefined;
  /** As it shall be; undefined for a file that goes, and for one that stays as it is. */
  readonly after?: FileState;
  /** Why it is left. */
  readonly reason?: string;
  readonly secret: boolean;
}

export interface Steps {
  readonly files: readonly FileStep[];
  /** The manifest as it is afterwards; directories are added as they are made. */
  readonly manifest: Manifest;
  /** Directories to remove afterwards where they are empty, outermost first. */
  readonly directories: readonly string[];
  /** Whether the manifest as it is afterwards tells enough to undo all when only some steps are done. */
  readonly manifestFirst: boolean;
}

/** A change with the files it is for. */
export interface TargetedChange {
  readonly change: FileChange;
  readonly targets: readonly Target[];
}

/**
 * What has to be done so that every file is as it shall be.
 *
 * @throws StatusError FailedPrecondition naming a file that setup would have to itself and that somebody else wrote.
 */
export function setupSteps(
  changes: readonly TargetedChange[],
  states: ReadonlyMap<string, FileState>,
  manifest: Manifest,
): Steps {
  const files: FileStep[] = [];
  const records: Record<string, FileRecord> = { ...manifest };
  for (const { change, targets } of changes) {
    const { path, secret, removal } = change;
    const before = states.get(path);
    const known = manifest[path];
    const mode = before === undefined ? change.mode : secret ? before.mode & 0o700 : before.mode;
    const after = { text: change.text, mode };
    if (before !== undefined && before.text === after.text && before.mode === mode) {
      files.push({ path, kind: 'unchanged', before, secret });
      if (known !== undefined) records[path] = { ...known, targets: union(known.targets, targets) };
      continue;
    }
    const isAsWritten = before !== undefined && known?.hash === hashOf(before.text);
    if (removal.kind === 'file' && before !== undefined && before.text !== after.text && !isAsWritten) {
      const whose = known === undefined ? 'is there and not from setup' : 'was changed since setup wrote it';
      throw new StatusError(
        'FailedPrecondition',
        `${path} ${whose}; compare it with what "setup --print" shows, move it away, then run setup again`,
      );
    }
    files.push({ path, kind: before === undefined ? 'create' : 'change', before, after, secret });
    // Of a file that was made anew, and of one that a crash left as it was, the record is of no use.
    const earlier =
      before !== undefined && known !== undefined && (isAsWritten || holdsOurs(before.text, known.removal))
        ? known
        : undefined;
    const original = earlier === undefined ? (before ?? null) : isAsWritten ? earlier.original : undefined;
    records[path] = {
      targets: union(known?.targets ?? [], targets),
      hash: hashOf(after.text),
      removal: both(earlier?.removal, removal, before?.text ?? ''),
      ...(original === undefined ? {} : { original }),
      directories: known?.directories ?? [],
    };
  }
  return { files, manifest: records, directories: [], manifestFirst: true };
}

/** What has to be done so that nothing of setup for these targets is left. */
export function undoSteps(
  targets: readonly Target[],
  states: ReadonlyMap<string, FileState>,
  manifest: Manifest,
): Steps {
  const files: FileStep[] = [];
  const records: Record<string, FileRecord> = {};
  const directories: string[] = [];
  for (const [path, record] of Object.entries(manifest).toReversed()) {
    const others = record.targets.filter((target) => !targets.includes(target));
    if (others.length === record.targets.length) {
      records[path] = record;
      continue;
    }
    if (others.length > 0) {
      const reason = `still needed for ${others.join(' and ')}`;
      files.push({ path, kind: 'unchanged', before: states.get(path), reason, secret: false });
      records[path] = { ...record, targets: others };
      continue;
    }
    const step = undoFile(path, record, states.get(path));
    files.push(step);
    if (step.kind === 'leave') records[path] = record;
    else directories.push(...record.directories);
  }
  return { files, manifest: records, directories: directories.toSorted(), manifestFirst: false };
}

function undoFile(path: string, record: FileRecord, before: FileState | undefined): FileStep {
  const secret = record.removal.kind !== 'lines';
  const { original } = record;
  if (before === undefined) return { path, kind: 'unchanged', before, reason: 'gone already', secret };
  const isAsWritten = hashOf(before.text) === record.hash;
  if (isAsWritten && original === null) return { path, kind: 'remove', before, secret };
  if (original !== undefined && original !== null) {
    if (isAsWritten) return { path, kind: 'restore', before, after: original, secret };
    if (before.text === original.text)
      return { path, kind: 'unchanged', before, reason: 'as it was before setup', secret };
  }
  const text = withoutOurs(path, before.text, record.removal);
  if (text === undefined) {
    const reason = 'changed since setup wrote it: take what you need and remove the rest by hand';
    return { path, kind: 'leave', before, reason, secret };
  }
  // The mode that is there: what its owner has added may be a secret.
  return { path, kind: 'change', before, after: { text, mode: before.mode }, secret };
}

/** What two runs added has to be taken out together: of the earlier one what was still in the text when the later one came. */
function both(one: Removal | undefined, other: Removal, between: string): FileRecord['removal'] {
  if (one?.kind === 'lines' && other.kind === 'lines')
    return { kind: 'lines', lines: [...linesIn(between, one.lines), ...other.lines] };
  if (other.kind === 'lines') return { kind: 'lines', lines: [...other.lines] };
  if (other.kind === 'file') return one === undefined || one.kind === 'file' ? other : mutable(one);
  const earlier = one !== undefined && one.kind === other.kind ? one.keys : [];
  const keys = [...earlier, ...other.keys].map((key) => [...key]);
  const texts = keys.map((key) => JSON.stringify(key));
  return { kind: other.kind, keys: keys.filter((_, at) => texts.indexOf(texts[at] ?? '') === at) };
}

function mutable(removal: Removal): FileRecord['removal'] {
  if (removal.kind === 'file') return removal;
  if (removal.kind === 'lines') return { kind: 'lines', lines: [...removal.lines] };
  return { kind: removal.kind, keys: removal.keys.map((key) => [...key]) };
}

function union(one: readonly Target[], other: readonly Target[]): Target[] {
  return [...new Set([...one, ...other])];
}
