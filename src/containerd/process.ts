import { existsSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { ContainerdProgram } from './program.ts';
import type { RunningContainerd } from './running.ts';

/** The process of a containerd that runs in this PID namespace. */
export interface ContainerdProcess extends ContainerdProgram {
  readonly pid: number;
  /** Whether another program has taken the place of the one that runs. */
  readonly isReplaced: boolean;
}

/** Finds the process of a containerd; undefined where it cannot be seen from here. */
export function containerdProcess({
  pid,
  pidNamespace,
}: Pick<RunningContainerd, 'pid' | 'pidNamespace'>): ContainerdProcess | undefined {
  try {
    if (pid < 1 || statSync('/proc/self/ns/pid', { bigint: true }).ino !== pidNamespace) return undefined;
    const program = readlinkSync(`/proc/${pid}/exe`);
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const config = configIn(args);
    const isRelative = config !== undefined && !isAbsolute(config);
    return {
      pid,
      program: asItWasCalled(program.replace(/ \(deleted\)$/, ''), args[0]),
      isReplaced: program.endsWith(' (deleted)'),
      config: isRelative ? resolve(readlinkSync(`/proc/${pid}/cwd`), config) : config,
    };
  } catch {
    // Of another user, or gone.
    return undefined;
  }
}

/** The name that a program was started by, where that is a link beside it: k3s is containerd only by that name. */
function asItWasCalled(program: string, name = ''): string {
  const called = join(dirname(program), basename(name));
  return existsSync(called) && realpathSync(called) === program ? called : program;
}

/** The value of `--config` among a containerd's arguments. */
export function configIn(args: readonly string[]): string | undefined {
  for (const [at, argument] of args.entries()) {
    const [, value] = /^--?c(?:onfig)?=(.*)$/.exec(argument) ?? [];
    if (value !== undefined) return value;
    if (/^--?c(?:onfig)?$/.test(argument)) return args[at + 1];
  }
  return undefined;
}
