import { libraryGraph } from '../../fixtures/shared-libraries.ts';
import { inside } from '../../sandbox/layout.ts';
import type { ExecResult, Sandbox } from '../../sandbox/sandbox.ts';

const LIBRARIES = '/tmp/fixtures/libraries.json';
/** What the stand-in for nixpkgs reads of its environment. */
export const STAND_IN_ENV = { STAND_IN_LIBRARIES: LIBRARIES } as const;
/** As Nix spells this machine. */
export const SYSTEM = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux`;

/** Writes down for the stand-in how the node's programs are linked. */
export async function describeLibraries(node: Sandbox): Promise<void> {
  await node.writeFile(LIBRARIES, JSON.stringify(await libraryGraph(node, ['redis-server', 'redis-cli'])));
}

/**
 * Builds attributes of a Nix file of the project, on the node.
 *
 * @param file below the project's directory; a function of `system`, and of `args` where there are some.
 * @returns the store path of each, by name, and what Nix said.
 */
export async function buildAttributes<N extends string>(
  node: Sandbox,
  file: string,
  names: readonly N[],
  args: Readonly<Record<string, string>> = {},
): Promise<{ readonly paths: Record<N, string>; readonly said: string }> {
  const further = Object.entries(args).flatMap(([name, value]) => ['--argstr', name, value]);
  const flags = ['--no-out-link', ...further, ...attributes(names)];
  const { stdout, stderr } = await nix(node, 'nix-build', file, flags);
  const paths = stdout.split('\n').filter(Boolean);
  return {
    paths: Object.fromEntries(names.map((name, index) => [name, paths[index] ?? ''])) as Record<N, string>,
    said: stderr,
  };
}

/** Builds what is built again, and throws when another output comes out. */
export async function rebuild(node: Sandbox, file: string, names: readonly string[]): Promise<void> {
  await nix(node, 'nix-build', file, ['--no-out-link', '--check', ...attributes(names)]);
}

/** The exit code and words of a build or an evaluation that is expected to fail. */
export async function failure(
  node: Sandbox,
  file: string,
  name: string,
  program: 'nix-build' | 'nix-instantiate' = 'nix-build',
): Promise<ExecResult> {
  const flags = program === 'nix-build' ? ['--no-out-link'] : ['--eval', '--strict'];
  return await nix(node, program, file, [...flags, ...attributes([name])], false);
}

/** The value of an attribute, as JSON has it. */
export async function evaluate(node: Sandbox, file: string, name: string): Promise<unknown> {
  const { stdout } = await nix(node, 'nix-instantiate', file, [
    '--eval',
    '--strict',
    '--json',
    ...attributes([name]),
  ]);
  return JSON.parse(stdout);
}

async function nix(
  node: Sandbox,
  program: string,
  file: string,
  args: readonly string[],
  reject = true,
): Promise<ExecResult> {
  const command = [
    program,
    `${inside.project}/${file}`,
    '--max-jobs',
    '2',
    '--argstr',
    'system',
    SYSTEM,
    ...args,
  ];
  return await node.exec(command, { env: STAND_IN_ENV, reject, timeout: 300_000 });
}

function attributes(names: readonly string[]): readonly string[] {
  return names.flatMap((name) => ['-A', name]);
}
