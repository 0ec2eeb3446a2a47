import { expect } from '../expect.ts';
import { count, formatBytes } from '../format.ts';
import { type DownloadMeter, measureClosure } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';
import { runContainer } from './containers.ts';
import { loadImage } from './load.ts';
import type { DemoImages } from './images.ts';
import type { Packages } from './packages.ts';

/** Loads an image that shares most of its closure with the first one, and runs it twice. */
export async function runVisitors(
  shell: NodeShell,
  given: { readonly images: DemoImages; readonly packages: Packages; readonly meter: DownloadMeter },
): Promise<void> {
  const { images, packages, meter } = given;
  await loadImage(shell, images.visitors, meter);
  const shared = await measureClosure(shell.node, [packages.redis]);
  shell.report.say(
    `The other ${count(shared.paths.length, 'store path')} (${formatBytes(shared.bytes)}: redis, the C library, ` +
      'OpenSSL, …) were there already; both images use the same files on disk and in memory.',
  );
  for (const [i, visitor] of ['Ada', 'Grace'].entries()) {
    const { stdout } = await shell.run(
      runContainer(['--rm'], images.visitors.name, 'hello', 'visit', visitor),
    );
    expect(
      stdout === `Hello from the Nix store, ${visitor}!\nYou are visitor number ${i + 1}.`,
      `the visitors image said ${JSON.stringify(stdout)}`,
    );
  }
}
