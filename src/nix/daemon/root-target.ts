import type { StorePath } from '../../closure/store-path.ts';
import { textPath } from './text-path.ts';

/** The name of a text that stands for many paths. */
export const ROOT_NAME = 'nix-snapshotter-root';

/** What a GC root of some paths names. */
interface RootTarget {
  /** What the root names. */
  readonly path: StorePath;
  /** Of a text that has to be added for it: its content, and what it refers to. */
  readonly text?: string;
  readonly references: readonly StorePath[];
}

/** The path itself, or a text that refers to all of them: one root and no build, however many they are. */
export function rootTarget(outputs: readonly StorePath[]): RootTarget {
  const references = [...new Set(outputs)].toSorted();
  const [first] = references;
  if (first !== undefined && references.length === 1) return { path: first, references };
  const text = `${references.join('\n')}\n`;
  return { path: textPath(ROOT_NAME, text, references), text, references };
}
