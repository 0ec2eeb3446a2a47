import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { StatusError } from '../errors.ts';
import { type Target, TARGETS } from './file-change.ts';

const keys = v.array(v.array(v.string()));
const recordSchema = v.strictObject({
  /** For whom it was written. */
  targets: v.array(v.picklist(TARGETS)),
  /** SHA-256 of what setup wrote last. */
  hash: v.string(),
  removal: v.variant('kind', [
    v.strictObject({ kind: v.literal('file') }),
    v.strictObject({ kind: v.literal('lines'), lines: v.array(v.string()) }),
    v.strictObject({ kind: v.literal('json-keys'), keys }),
    v.strictObject({ kind: v.literal('yaml-keys'), keys }),
  ]),
  /** As it was before setup; null when it was not there; absent when somebody changed it between two runs of setup. */
  original: v.optional(v.nullable(v.strictObject({ text: v.string(), mode: v.number() }))),
  /** Directories made for it, outermost first. */
  directories: v.array(v.string()),
});
const manifestSchema = v.strictObject({ version: v.literal(1), files: v.record(v.string(), recordSchema) });

/** What setup did to one file. */
export type FileRecord = v.InferOutput<typeof recordSchema>;
/** What setup did, by path; kept in `<root>/setup.json`. */
export type Manifest = Readonly<Record<string, FileRecord>>;

/**
 * Reads a manifest; nothing gives an empty one.
 *
 * @throws StatusError FailedPrecondition naming the file when it holds something else.
 */
export function parseManifest(path: string, text: string | undefined): Manifest {
  if (text === undefined) return {};
  try {
    return v.parse(manifestSchema, JSON.parse(text)).files;
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `${path} is not what setup wrote there; move it away: what setup wrote elsewhere is then to be removed by hand`,
      { cause: error },
    );
  }
}

/** For whom anything is written. */
export function targetsOf(manifest: Manifest): readonly Target[] {
  return TARGETS.filter((target) => Object.values(manifest).some(({ targets }) => targets.includes(target)));
}

export function formatManifest(files: Manifest): string {
  return `${JSON.stringify({ version: 1, files }, undefined, 2)}\n`;
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
