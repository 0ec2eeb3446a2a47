import { glob } from 'node:fs/promises';
import { projectRoot } from '../sandbox/layout.ts';

/** Every Nix file of the project, by its path in it. */
export async function nixFiles(): Promise<readonly string[]> {
  const exclude = ['node_modules/**', '.testbed/**', 'dist/**', '.git/**'];
  return (await Array.fromAsync(glob('**/*.nix', { cwd: projectRoot, exclude }))).toSorted();
}
