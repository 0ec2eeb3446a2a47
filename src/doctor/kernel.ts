import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { findProgram } from '../host/find-program.ts';
import { whyNoIdMapping } from '../host/mount.ts';
import { supportsIdMappedOverlay } from '../host/overlay.ts';
import type { Commands } from './commands.ts';
import { failure, fine, type Finding, warning } from './finding.ts';
import type { Needed } from './packages.ts';

/** What the kernel and the host's programs can do. */
export interface KernelFacts {
  readonly release: string;
  readonly hasOverlay: boolean;
  /** Redirects and metacopy, of which overlay views are made (Linux 4.19). */
  readonly hasMetacopy: boolean;
  /** Whether a module may be loaded that has not been yet. */
  readonly mayLoad: boolean;
  /** Why ids of a container's user namespace cannot be mapped; undefined when they can. */
  readonly whyNoIdMapping: string | undefined;
  /** `user.max_user_namespaces`. */
  readonly userNamespaces: number;
  /** Programs that the daemon calls and PATH has not. */
  readonly missingPrograms: readonly ProgramName[];
}

/** Programs of the host that the daemon calls. */
const PROGRAMS = ['mount', 'umount', 'tar'] as const;
type ProgramName = (typeof PROGRAMS)[number];
/** What they are installed with. */
const PACKAGE_OF: Readonly<Record<ProgramName, Needed>> = { mount: 'mount', umount: 'mount', tar: 'tar' };

/** Looks at the kernel. */
export async function readKernel(env: NodeJS.ProcessEnv): Promise<KernelFacts> {
  const parameters = '/sys/module/overlay/parameters';
  const missingPrograms = PROGRAMS.filter((name) => findProgram(name, env) === undefined);
  return {
    release: release(),
    hasOverlay: /^nodev\s+overlay$/m.test(readFileSync('/proc/filesystems', 'utf8')),
    hasMetacopy: existsSync(`${parameters}/metacopy`) && existsSync(`${parameters}/redirect_dir`),
    mayLoad: existsSync(`/lib/modules/${release()}/modules.dep`),
    whyNoIdMapping: await idMapping(missingPrograms),
    userNamespaces: Number(textOf('/proc/sys/user/max_user_namespaces') ?? 0),
    missingPrograms,
  };
}

async function idMapping(missingPrograms: readonly ProgramName[]): Promise<string | undefined> {
  if (!supportsIdMappedOverlay()) return 'Linux 5.19 or newer, outside of a user namespace';
  // What is missing is told by itself.
  return missingPrograms.includes('mount') ? undefined : await whyNoIdMapping();
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** Whether containers of store paths can have their mounts. */
export function judgeKernel(
  facts: KernelFacts,
  {
    isRoot,
    commands: { install },
  }: { readonly isRoot: boolean; readonly commands: Pick<Commands, 'install'> },
): readonly Finding[] {
  const findings: Finding[] = facts.missingPrograms.map((name) => {
    const { fix, commands } = install(PACKAGE_OF[name]);
    return failure('program-missing', {
      what: `${name} is not in PATH`,
      why: 'the daemon calls it to make and remove mounts of store paths',
      fix: `${fix}, or put its directory into the PATH of the daemon’s unit`,
      commands,
    });
  });
  if (!facts.hasOverlay)
    findings.push(
      failure('kernel-overlay', {
        what: `Linux ${facts.release} has no overlayfs${facts.mayLoad ? ' loaded' : ''}`,
        why: 'no container has a root file system without it',
        fix: facts.mayLoad ? 'load it, now and at each start' : 'use a kernel with CONFIG_OVERLAY_FS',
        commands: facts.mayLoad
          ? ['modprobe overlay', 'echo overlay > /etc/modules-load.d/overlay.conf']
          : [],
      }),
    );
  if (facts.hasOverlay && !facts.hasMetacopy)
    findings.push(
      warning('kernel-metacopy', {
        what: `overlayfs of Linux ${facts.release} has no redirect_dir or no metacopy`,
        why: 'closures are shown by one mount for each store path in place of one for all',
        fix: 'use Linux 4.19 or newer with CONFIG_OVERLAY_FS',
      }),
    );
  if (isRoot && facts.whyNoIdMapping !== undefined)
    findings.push(
      warning('kernel-id-mapping', {
        what: `containers with a user namespace of their own cannot have store paths: they need ${facts.whyNoIdMapping}`,
        why: 'pods with hostUsers: false fail; others are not concerned',
        fix: 'upgrade what is named, where such pods are wanted',
      }),
    );
  if (facts.userNamespaces === 0)
    findings.push(
      warning('kernel-user-namespaces', {
        what: 'user namespaces are switched off: user.max_user_namespaces is 0',
        why: 'containers without root, and pods with hostUsers: false, do not start',
        fix: 'allow them, where such containers are wanted',
        commands: ['sysctl -w user.max_user_namespaces=15000'],
      }),
    );
  return findings.length > 0
    ? findings
    : [fine('kernel', `Linux ${facts.release} has what views of store paths need`)];
}
