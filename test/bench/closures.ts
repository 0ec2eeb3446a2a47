import { closureInfo, closureOf } from '../fixtures/packages.ts';
import { inside } from '../sandbox/layout.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** Store paths on the node that an image can name. */
export interface Closure {
  /** Of store paths. */
  readonly size: number;
  /** Refers to all others. */
  readonly root: string;
  /** A static busybox in it. */
  readonly shell: string;
  /** The `closureInfo` output that lists it; itself not on the list. */
  readonly info: string;
  /** Every path, sorted. */
  readonly paths: readonly string[];
}

/**
 * Makes a closure of so many store paths on the node. Nothing roots it: no collection runs there.
 *
 * @param seed closures of one seed share paths, those of different seeds share none.
 */
export async function makeClosure(node: Sandbox, seed: string, size: number): Promise<Closure> {
  const system = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux`;
  const strings = Object.entries({ seed, system }).flatMap(([name, text]) => ['--argstr', name, text]);
  const expression = [`${inside.project}/test/bench/closures.nix`, ...strings, '--arg', 'count', `${size}`];
  const { stdout } = await node.exec(
    ['nix-build', '--quiet', '--no-out-link', ...expression, '-A', 'root', '-A', 'busybox'],
    { timeout: 600_000 },
  );
  const [root = '', busybox = ''] = stdout.split('\n');
  const info = await closureInfo(node, [root]);
  return { size, root, shell: `${busybox}/bin/busybox`, info, paths: await closureOf(node, [root]) };
}
