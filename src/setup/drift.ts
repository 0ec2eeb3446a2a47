import type { Target } from './file-change.ts';
import { hiddenToken } from './hide-secrets.ts';
import { targetsOf } from './manifest.ts';
import { planFor, readContainerd } from './node-plan.ts';
import { openSession, readManifest, type SetupDeps, type SetupOptions } from './session.ts';

/** What is different from what setup would write now. */
export interface Drift {
  /** For whom setup was run. */
  readonly targets: readonly Target[];
  /** Files that setup would make or change. */
  readonly files: readonly string[];
}

/**
 * Compares this node with what `setup` would make of it, for the targets that it was run for.
 *
 * @throws StatusError naming the file, the cause and the next step; such as a file of setup's own that somebody has changed.
 */
export async function setupDrift(
  options: Pick<SetupOptions, 'config' | 'containerdVersion'>,
  deps: Pick<SetupDeps, 'env' | 'uid'>,
): Promise<Drift> {
  const choice = { ...options, targets: [], print: false, dryRun: true, undo: false };
  const untouched = {
    write: () => undefined,
    loadToken: () => Promise.reject(new Error('nothing is written')),
  };
  const empty = await openSession(choice, { ...deps, ...untouched });
  const manifest = await readManifest(empty);
  // A user's containerd has its files in namespaces of its own.
  const seen = targetsOf(manifest).filter((target) => deps.uid === 0 || target !== 'containerd');
  const session = { ...empty, targets: seen };
  const { files, tokenFile, targets } = session;
  if (targets.length === 0) return { targets, files: [] };
  const token = (await files.read(tokenFile))?.text.trim() ?? hiddenToken(tokenFile);
  const { steps } = await planFor(session, await readContainerd(session), manifest, token);
  const changed = steps.files.filter(({ kind }) => kind !== 'unchanged');
  return { targets, files: changed.map(({ path }) => path) };
}
