import { type DebianBase, baseFolder, NODE_PACKAGES } from './debian-base.ts';

/** Shells, a reader of manual pages, and systemd's programs. */
const SHELLS = ['bash-completion', 'fish', 'mandoc', 'systemd', 'zsh'];

/** The Debian folder of nodes on which completion, manual pages and units are tried, built when needed: `Sandbox.up({ base })`. */
export async function shellsBase(log?: (line: string) => void): Promise<DebianBase> {
  const packages = [...NODE_PACKAGES, ...SHELLS];
  return await baseFolder({ name: 'trixie-shells', suite: 'trixie', packages }, log);
}
