import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../src/errors.ts';
import { type SandboxCgroup, removeCgroups } from './cgroups.ts';
import type { Suite } from './debian-base.ts';
import { runDir } from './layout.ts';
import { withLock } from './lock.ts';
import { type ProcessIdentity, isAlive, killIfAlive } from './process-identity.ts';

/** What is on disk about one sandbox: enough to enter it, and to clean up after it. */
export interface SandboxState {
  readonly id: string;
  readonly suite: Suite;
  readonly detached: boolean;
  readonly created: string;
  /** The process that brought it up. */
  readonly owner: ProcessIdentity;
  /** Makes and cleans up the namespaces; absent until it is started. */
  readonly supervisor?: ProcessIdentity;
  /** PID 1 of the sandbox; absent until it is ready. */
  readonly init?: ProcessIdentity;
  readonly cgroups: readonly SandboxCgroup[];
}

export async function writeState(state: SandboxState): Promise<void> {
  const file = `${runDir}/${state.id}/state.json`;
  await mkdir(`${runDir}/${state.id}`, { recursive: true });
  await writeFile(`${file}.new`, JSON.stringify(state));
  await rename(`${file}.new`, file);
}

/** Every sandbox there is a folder of; a folder without a readable state belongs to a bring-up that died. */
export async function readStates(): Promise<ReadonlyMap<string, SandboxState | undefined>> {
  await mkdir(runDir, { recursive: true });
  const states = new Map<string, SandboxState | undefined>();
  for (const id of await readdir(runDir)) states.set(id, await readState(id));
  return states;
}

async function readState(id: string): Promise<SandboxState | undefined> {
  try {
    return JSON.parse(await readFile(`${runDir}/${id}/state.json`, 'utf8')) as SandboxState;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether someone still needs the sandbox: its PID 1 runs and, unless it is detached, so does its owner. */
export function isNeeded(state: SandboxState): boolean {
  if (state.init === undefined) return isAlive(state.owner);
  return isAlive(state.init) && (state.detached || isAlive(state.owner));
}

/** Registers a sandbox, after cleaning up those whose owner died. Safe against others doing the same. */
export async function register(state: SandboxState): Promise<void> {
  await withLock('run', async () => {
    await sweep();
    await writeState(state);
  });
}

/** Removes what sandboxes left whose owner is dead. Returns their ids. */
export async function sweepDead(): Promise<readonly string[]> {
  return await withLock('run', sweep);
}

async function sweep(): Promise<readonly string[]> {
  const swept: string[] = [];
  for (const [id, state] of await readStates()) {
    if (state !== undefined && isNeeded(state)) continue;
    await destroy(id, state);
    swept.push(id);
  }
  return swept;
}

/**
 * Ends a sandbox's processes and removes its cgroups and files.
 *
 * @throws ExecaError when a process of it cannot be killed within ten seconds.
 */
export async function destroy(id: string, state: SandboxState | undefined): Promise<void> {
  if (state?.init !== undefined) killIfAlive(state.init);
  await removeCgroups(state?.cgroups ?? []);
  if (state?.supervisor !== undefined) await ended(state.supervisor);
  await rm(`${runDir}/${id}`, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

async function ended(process: ProcessIdentity): Promise<void> {
  while (isAlive(process)) await sleep(5);
}
