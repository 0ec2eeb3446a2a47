import { cp, mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import { inside, projectRoot } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';

/** Nix that reads this project's Nix files. */
export interface Nix extends AsyncDisposable {
  /** The project, as Nix sees it. */
  readonly project: string;
  readonly version: string;
  /** The value of an expression. */
  evaluate(expression: string): Promise<unknown>;
  /** Reads these files, by their paths in the project, without evaluating them. */
  parse(files: readonly string[]): Promise<void>;
  /** Makes a host directory readable for Nix; returns where it is then. */
  bring(directory: string): Promise<string>;
}

/** This machine's Nix if there is one, else that of a sandbox. */
export async function anyNix(): Promise<Nix> {
  const found = await execa('nix-instantiate', ['--version'], { reject: false });
  return found.exitCode === 0 ? nixOf({ run: localRun, project: projectRoot }) : await sandboxNix();
}

/** The Nix of a sandbox of its own. */
async function sandboxNix(): Promise<Nix> {
  const node = await Sandbox.up({ suite: 'trixie', name: 'nix' });
  try {
    return await nixInside(node, async () => await node.down());
  } catch (error) {
    await node.down();
    throw error;
  }
}

/** The Nix of a sandbox, which the caller ends. */
export async function nixInside(node: Sandbox, end: () => Promise<void> = async () => {}): Promise<Nix> {
  return await nixOf({
    run: async (args) => (await node.exec(['nix-instantiate', ...args])).stdout,
    project: inside.project,
    async bring(directory) {
      await mkdir(node.hostPath('/tmp/nixpkgs'), { recursive: true });
      await cp(directory, node.hostPath('/tmp/nixpkgs/lib'), { recursive: true });
      return '/tmp/nixpkgs/lib';
    },
    end,
  });
}

async function localRun(args: readonly string[]): Promise<string> {
  return (await execa('nix-instantiate', args)).stdout;
}

interface Parts {
  readonly project: string;
  readonly run: (args: readonly string[]) => Promise<string>;
  readonly bring?: (directory: string) => Promise<string>;
  readonly end?: () => Promise<void>;
}

async function nixOf({
  project,
  run,
  bring = async (directory) => directory,
  end = async () => {},
}: Parts): Promise<Nix> {
  const version = (await run(['--version'])).trim().split(' ').at(-1) ?? '';
  return {
    project,
    version,
    bring,
    async evaluate(expression) {
      const flags = ['--eval', '--strict', '--json', '--readonly-mode', '--expr'];
      return JSON.parse(await run([...flags, expression])) as unknown;
    },
    async parse(files) {
      await run(['--parse', ...files.map((file) => `${project}/${file}`)]);
    },
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
}
