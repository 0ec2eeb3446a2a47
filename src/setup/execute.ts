import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { makeDirectories } from '../host/make-directories.ts';
import { messageOf, StatusError } from '../errors.ts';
import { type FileRecord, formatManifest, type Manifest } from './manifest.ts';
import type { NodeFiles } from './node-files.ts';
import type { FileStep, Steps } from './steps.ts';

const MANIFEST = 'setup.json';

/** Where the manifest is kept. */
export function manifestFile(root: string): string {
  return join(root, MANIFEST);
}

export interface ExecuteOptions {
  /** The daemon's root, where the manifest is kept. */
  readonly root: string;
  readonly steps: Steps;
  /** Called when all is written; what it throws undoes all. */
  readonly verify?: () => Promise<void>;
}

/**
 * Does what was planned. A crash leaves nothing that "--undo" does not find: the manifest is written before the first file, and
 * forgets one after the last is gone. When a step fails, those before it are undone. A file that is no longer as it was when the steps
 * were planned is not touched.
 *
 * @throws StatusError of the step that failed.
 */
export async function execute({ root, steps, verify }: ExecuteOptions, files: NodeFiles): Promise<void> {
  const path = manifestFile(root);
  const manifestBefore = await files.read(path);
  const records: Record<string, FileRecord> = { ...steps.manifest };
  const done: { readonly step: FileStep; readonly directories: readonly string[] }[] = [];
  await makeDirectories(files.here(root), 0o700);
  try {
    if (steps.manifestFirst) await writeManifest(path, records, files);
    for (const step of steps.files) {
      if (step.after !== undefined || step.kind === 'remove') await refuseChanged(step, files);
      if (step.after !== undefined) {
        const directories = await files.write(step.path, step.after);
        done.push({ step, directories });
        const record = records[step.path];
        if (directories.length > 0 && record !== undefined) {
          records[step.path] = { ...record, directories: [...record.directories, ...directories] };
          await writeManifest(path, records, files);
        }
      } else if (step.kind === 'remove') {
        done.push({ step, directories: [] });
        await files.remove(step.path);
      }
    }
    await verify?.();
  } catch (error) {
    await rollBack(done, path, manifestBefore?.text, files, error);
    throw error;
  }
  await files.removeDirectories(steps.directories);
  if (Object.keys(records).length === 0) await files.remove(path);
  else if (!steps.manifestFirst) await writeManifest(path, records, files);
}

async function refuseChanged({ path, before }: FileStep, files: NodeFiles): Promise<void> {
  if (isDeepStrictEqual(await files.read(path), before)) return;
  throw new StatusError('Aborted', `${path} was changed by somebody else while setup ran; run setup again`);
}

async function writeManifest(path: string, records: Manifest, files: NodeFiles): Promise<void> {
  await files.write(path, { text: formatManifest(records), mode: 0o600 });
}

async function rollBack(
  done: readonly { readonly step: FileStep; readonly directories: readonly string[] }[],
  manifest: string,
  manifestBefore: string | undefined,
  files: NodeFiles,
  cause: unknown,
): Promise<void> {
  try {
    for (const { step, directories } of done.toReversed()) {
      if (step.before === undefined) await files.remove(step.path);
      else await files.write(step.path, step.before);
      await files.removeDirectories(directories);
    }
    if (manifestBefore === undefined) await files.remove(manifest);
    else await files.write(manifest, { text: manifestBefore, mode: 0o600 });
  } catch (error) {
    throw new StatusError(
      'FailedPrecondition',
      `${messageOf(cause)}; and what was written before cannot be taken back: ${messageOf(error)}; "setup --undo" will try again`,
      { cause },
    );
  }
}
