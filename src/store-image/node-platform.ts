import { existsSync } from 'node:fs';
import { type Platform, parsePlatform } from '../image/platform.ts';

/** What a processor also runs by itself. Source: containerd `platforms`, `platformVector`. */
const ALSO_RUNS: Readonly<Record<string, string>> = { amd64: '386', arm64: 'arm' };
/** What QEMU, and so the kernel's register of emulators, calls architectures (`update-binfmts --display`, NixOS). */
const EMULATED_AS: Readonly<Record<string, string>> = {
  '386': 'i386',
  amd64: 'x86_64',
  arm64: 'aarch64',
  loong64: 'loongarch64',
};
const EMULATORS = '/proc/sys/fs/binfmt_misc';

/** What this node runs. */
export function nodePlatform(): Platform {
  return parsePlatform(`linux/${process.arch}`);
}

/**
 * Whether this node runs programs of a platform: by its processor, or by an emulator that the kernel knows.
 *
 * @param emulators the kernel's register of emulators.
 */
export function runsHere(built: Platform, node: Platform = nodePlatform(), emulators = EMULATORS): boolean {
  if (built.os !== node.os) return false;
  const { architecture } = built;
  if (architecture === node.architecture || ALSO_RUNS[node.architecture] === architecture) return true;
  const name = EMULATED_AS[architecture] ?? architecture;
  return existsSync(`${emulators}/qemu-${name}`) || existsSync(`${emulators}/${name}-linux`);
}
