import { createHash } from 'node:crypto';
import type { LayerClosure } from '../../closure/annotations.ts';
import type { ClosureEntry } from '../view.ts';

/** Hexadecimal digits of a name: 128 bits. */
const LENGTH = 32;

/** Keys of closures that were asked for: a closure may have thousands of paths, and every container asks. */
const keys = new WeakMap<LayerClosure, string>();

/** The name of a closure's view: the same for every layer that names the same closure. */
export function viewKey(closure: LayerClosure): string {
  const known = keys.get(closure);
  if (known !== undefined) return known;
  const named = closure.kind === 'closure-info' ? [closure.path] : closure.paths;
  const key = digest([closure.kind, ...named]);
  keys.set(closure, key);
  return key;
}

/** The name of the state of a closure's paths on disk: another one when a path was deleted and made again. */
export function fingerprint(entries: readonly ClosureEntry[], realStoreDir: string): string {
  const states = entries.map(({ path, kind, inode, born, mode, size }) =>
    [path, kind, inode, born, mode, size].join(' '),
  );
  return digest([realStoreDir, ...states]);
}

function digest(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, LENGTH);
}
