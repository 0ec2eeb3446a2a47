import { type DebianBase, baseFolder, NODE_PACKAGES } from './debian-base.ts';

/** Container engines that are told nothing of our snapshotter, and Debian's skopeo. */
export const ENGINES = ['docker-cli', 'docker.io', 'podman', 'skopeo'];

/** The Debian folder of nodes with podman and dockerd, built when needed: `Sandbox.up({ base })`. */
export async function enginesBase(log?: (line: string) => void): Promise<DebianBase> {
  const packages = [...NODE_PACKAGES, ...ENGINES];
  return await baseFolder({ name: 'trixie-engines', suite: 'trixie', packages }, log);
}
