import { closureInfo, closureOf } from '../fixtures/packages.ts';
import { inside } from '../sandbox/layout.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** Store paths on the node that an image can name. */
export interface Closure {
  /** Refers to all others. */
  readonly root: string;
  /** A static busybox in it. */
  readonly shell: string;
  /** The `closureInfo` output that lists it; itself not on the list. */
  readonly info: string;
  /** Every path, sorted. */
  readonly paths: readonly string[];
}

/** Makes a closure on the node; `closures.nix` says of what. Nothing roots it. */
export async function makeClosure(
  node: Sandbox,
  { seed, count, bytes }: { readonly seed: string; readonly count: number; readonly bytes: number },
): Promise<Closure> {
  const system = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux`;
  const strings = Object.entries({ seed, system }).flatMap(([name, text]) => ['--argstr', name, text]);
  const numbers = Object.entries({ count, data: bytes }).flatMap(([name, value]) => [
    '--arg',
    name,
    `${value}`,
  ]);
  const expression = [`${inside.project}/test/soak/closures.nix`, ...strings, ...numbers];
  const { stdout } = await node.exec(
    ['nix-build', '--quiet', '--no-out-link', ...expression, '-A', 'root', '-A', 'busybox'],
    { timeout: 300_000 },
  );
  const [root = '', busybox = ''] = stdout.split('\n');
  const info = await closureInfo(node, [root]);
  return { root, shell: `${busybox}/bin/busybox`, info, paths: await closureOf(node, [root]) };
}
