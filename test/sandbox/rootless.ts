import { type DebianBase, baseFolder, NODE_PACKAGES } from './debian-base.ts';

/** What a user needs to have containers without root. */
export const ROOTLESS = ['rootlesskit', 'slirp4netns', 'uidmap'];

/** The Debian folder of nodes with RootlessKit, built when needed: `Sandbox.up({ base })`. */
export async function rootlessBase(log?: (line: string) => void): Promise<DebianBase> {
  const packages = [...NODE_PACKAGES, ...ROOTLESS];
  return await baseFolder({ name: 'trixie-rootless', suite: 'trixie', packages }, log);
}
