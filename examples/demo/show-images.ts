import type { NodeShell } from './node-shell.ts';
import type { DemoOptions } from './options.ts';
import { moveToCache } from './steps/cache.ts';
import { showOrigin } from './steps/evidence.ts';
import { collectGarbage } from './steps/garbage.ts';
import { buildImages } from './steps/images.ts';
import { explainKept } from './steps/keep.ts';
import { describeNode, startServices } from './steps/node.ts';
import { makePackages } from './steps/packages.ts';
import { runRedis } from './steps/redis.ts';
import { runVisitors } from './steps/visitors.ts';

export const IMAGES_INTRODUCTION =
  'An ordinary image carries its programs as bytes in layers. A Nix layer only names them, by store path: ' +
  'the node has Nix fetch each path once, and every container uses those same files.';

/** Two images with Nix layers, from their building to the collection of their store paths. */
export async function showImages(shell: NodeShell, { keep }: DemoOptions): Promise<void> {
  const { node, report } = shell;
  const { containerd } = await startServices(node, report);
  report.say(describeNode(node, containerd));

  report.begin('Two programs, built by Nix');
  const packages = await makePackages(node, report);

  report.begin('Two images that name them');
  const images = await buildImages(shell, packages);

  report.begin('A binary cache has the store paths, the node has none');
  const meter = await moveToCache(shell, [images.redis.closureInfo, images.visitors.closureInfo]);

  report.begin('The first image runs: redis');
  await runRedis(shell, images, meter);

  report.begin('Where its files come from');
  await showOrigin(shell, packages);

  report.begin('The second image shares what is there');
  await runVisitors(shell, { images, packages, meter });

  if (keep) {
    report.begin('Over to you');
    explainKept(shell, [
      'nix-snapshotter status',
      'ctr task exec --tty --exec-id me redis redis-cli',
      `ctr run --rm --net-host --snapshotter nix ${images.visitors.name} me visit Me`,
      `ctr run --rm --tty --net-host --snapshotter nix ${images.visitors.name} sh sh`,
      'nix-store --gc --print-dead',
      'tail /var/log/nix-snapshotter.log',
    ]);
    return;
  }
  report.begin('What an image needs is never collected');
  await collectGarbage(shell, images, packages);
}
