import type { StorePath } from '../../closure/store-path.ts';
import { linkRoot } from '../gc-root-link.ts';
import type { DaemonConnection, RunOptions } from './connection.ts';
import { addIndirectRoot, addTextToStore } from './operations.ts';
import { ROOT_NAME, rootTarget } from './root-target.ts';

/**
 * Makes one GC root for valid paths. The connection holds what it adds until it ends; a collection that runs now may have read
 * the roots already.
 */
export async function rootOutputs(
  connection: DaemonConnection,
  outputs: readonly StorePath[],
  root: string,
  run: RunOptions,
): Promise<void> {
  const { path, text, references } = rootTarget(outputs);
  if (text !== undefined) await connection.ask(addTextToStore(ROOT_NAME, text, references), run);
  await linkRoot(path, root);
  await connection.ask(addIndirectRoot(root), run);
}
