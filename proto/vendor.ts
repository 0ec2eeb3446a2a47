import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { VENDORED, type Vendored } from './sources.ts';

/**
 * Copies the definitions of others from their pinned Go modules to `<protoDir>/<folder>`; needs `go`, which checks the
 * modules against the Go checksum database.
 */
export async function refreshVendored(protoDir: string): Promise<void> {
  for (const vendored of VENDORED) await copyFiles(protoDir, vendored);
}

async function copyFiles(
  protoDir: string,
  { module, version, folder, from, files }: Vendored,
): Promise<void> {
  const { stdout } = await execa('go', ['mod', 'download', '-json', `${module}@${version}`]);
  const { Dir: moduleDir } = JSON.parse(stdout) as { Dir: string };
  for (const file of files) {
    const target = join(protoDir, folder, file);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(moduleDir, from, file), target);
    await chmod(target, 0o644);
  }
}
