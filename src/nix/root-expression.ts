import type { StorePath } from '../closure/store-path.ts';

/** What `nix-instantiate` is told so that {@link rootExpression}, its input, becomes the target of a root. */
export function rootArguments(root: string): readonly string[] {
  return ['--add-root', root, '--indirect', '-', ...PLAIN_EVALUATION];
}

const PLAIN_EVALUATION = ['--option', 'restrict-eval', 'false', '--option', 'pure-eval', 'false'];

/**
 * A Nix expression for a derivation that is never built and refers to every one of `paths`, so that a root of
 * its `.drv` file protects all of them. One root for 1,000 paths takes about 30 ms; a link for each takes
 * 80 – 150 ms and 2,000 files (the links, and Nix's own in `gcroots/auto`), all to be removed again.
 *
 * `builtins.storePath` makes a path valid that has gone meanwhile. A store path's grammar has no character that
 * means something in a Nix string.
 */
export function rootExpression(paths: readonly StorePath[]): string {
  const list = paths.map((path) => `"${path}"`).join('\n');
  return (
    'derivation { name = "nix-snapshotter-root"; system = "none"; builder = "none";\n' +
    `paths = map builtins.storePath [\n${list}\n]; }\n`
  );
}
