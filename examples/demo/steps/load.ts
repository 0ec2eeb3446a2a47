import { count, formatBytes } from '../format.ts';
import { expect } from '../expect.ts';
import type { DownloadMeter } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';
import type { DemoImage } from './images.ts';

/** Loads an image into containerd and tells what Nix fetched for it. */
export async function loadImage(shell: NodeShell, image: DemoImage, meter: DownloadMeter): Promise<void> {
  await shell.quietly(['nix2container', 'load', image.layout]);
  const { paths, bytes } = await meter.sinceLast();
  expect(paths > 0, `loading ${image.name} fetched nothing from the binary cache`);
  shell.report.say(
    `To unpack the Nix layer, nix-snapshotter had Nix fetch ${count(paths, 'store path')} from the binary ` +
      `cache: what the node lacked of the closure, and the list of it. ${formatBytes(bytes)} came over the wire.`,
  );
}
