import { fileURLToPath } from 'node:url';

/** The project's checkout on the host. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Where the test bed keeps everything it makes; ignored by git. `NIX_SNAPSHOTTER_TESTBED` moves it. */
export const testbedRoot = process.env['NIX_SNAPSHOTTER_TESTBED'] ?? `${projectRoot}/.testbed`;

export const debianDir = `${testbedRoot}/debian`;
export const goDir = `${testbedRoot}/go`;
export const goBinDir = `${goDir}/bin`;
export const runDir = `${testbedRoot}/run`;
export const locksDir = `${testbedRoot}/locks`;

/** The same places as a program inside a sandbox sees them. */
export const inside = {
  project: '/opt/nix-snapshotter',
  tools: '/opt/tools',
  log: '/var/log',
} as const;
