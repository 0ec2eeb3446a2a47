import { execa } from 'execa';
import { existsSync, statSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { projectRoot } from '../../../test/sandbox/layout.ts';
import type { Report } from '../report.ts';

/** The programs that the demo runs. */
export const PROGRAMS = ['nix-snapshotter', 'nix2container'] as const;

const SOURCES = ['cmd/*.ts', 'src/**/*.ts', 'proto/**/*.{ts,json}', 'build.ts', 'package-lock.json'];

/** Bundles both programs into `dist`, unless their bundles are newer than every source. */
export async function bundlePrograms(report: Report): Promise<void> {
  if (await isFresh()) {
    report.say('nix-snapshotter and nix2container are bundled already.');
    return;
  }
  await report.timed('nix-snapshotter and nix2container, bundled from this checkout', async () => {
    await execa(process.execPath, ['build.ts'], { cwd: projectRoot, stdin: 'ignore' });
  });
}

async function isFresh(): Promise<boolean> {
  const bundles = PROGRAMS.map((name) => `${projectRoot}/dist/${name}.mjs`);
  if (!bundles.every((file) => existsSync(file))) return false;
  const built = Math.min(...bundles.map(changed));
  const sources = await Array.fromAsync(glob(SOURCES, { cwd: projectRoot }));
  return sources.every((file) => changed(`${projectRoot}/${file}`) < built);
}

function changed(file: string): number {
  return statSync(file).mtimeMs;
}
