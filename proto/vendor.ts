import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { CONTAINERD_API, CONTAINERD_FILES } from './sources.ts';

/**
 * Copies containerd's definitions from the pinned Go module to `<protoDir>/containerd`; needs `go`, which checks
 * the module against the Go checksum database.
 */
export async function refreshVendored(protoDir: string): Promise<void> {
  const { stdout } = await execa('go', [
    'mod',
    'download',
    '-json',
    `${CONTAINERD_API.module}@${CONTAINERD_API.version}`,
  ]);
  const { Dir: moduleDir } = JSON.parse(stdout) as { Dir: string };
  for (const file of CONTAINERD_FILES) {
    const target = join(protoDir, 'containerd', file);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(moduleDir, file), target);
    await chmod(target, 0o644);
  }
}
