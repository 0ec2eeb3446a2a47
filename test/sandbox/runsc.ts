import { type DebianBase, baseFolder } from './debian-base.ts';
import type { Sandbox } from './sandbox.ts';

const DIR = '/usr/local/bin';
/** A sandbox has no network for gVisor's own network stack to take over. */
const WRAPPER = `#!/bin/sh\nexec ${DIR}/runsc --network=none "$@"\n`;

/** The Debian folder with gVisor's OCI runtime; a static program, so it runs on nodes of every suite. */
export async function runscFolder(log?: (line: string) => void): Promise<DebianBase> {
  return await baseFolder({ name: 'trixie-runsc', suite: 'trixie', packages: ['runsc'] }, log);
}

/**
 * Puts gVisor's OCI runtime into a node. containerd's runc shim runs it: `ctr run --runc-binary`.
 *
 * @returns the program's path inside.
 */
export async function installRunsc(node: Sandbox): Promise<string> {
  const { dir } = await runscFolder();
  await node.copyIn(`${dir}/usr/bin/runsc`, `${DIR}/runsc`);
  await node.writeFile(`${DIR}/runsc-no-network`, WRAPPER, 0o755);
  return `${DIR}/runsc-no-network`;
}
