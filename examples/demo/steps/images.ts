import { CLOSURE_ANNOTATION } from '../../../src/closure/annotations.ts';
import { busyboxArchive } from '../../../test/fixtures/images.ts';
import type { LayerEntry } from '../../../test/fixtures/oci-archive.ts';
import { appendLayer, readManifest } from '../append-layer.ts';
import { expect } from '../expect.ts';
import { count, formatBytes } from '../format.ts';
import { measureClosure } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';
import type { Row } from '../report.ts';
import type { Packages } from './packages.ts';

/** An image in an OCI layout inside the node. */
export interface DemoImage {
  readonly name: string;
  readonly layout: string;
  /** The store path that its Nix layer names: a list of the closure. */
  readonly closureInfo: string;
}

export interface DemoImages {
  readonly redis: DemoImage;
  readonly visitors: DemoImage;
}

const REDIS_CONF = 'bind 127.0.0.1\ndir /tmp\nsave ""\n';

const VISIT = `#!/bin/sh
greet "$1"
echo "You are visitor number $(redis-cli incr visitors)."
`;

/** Builds both images: an ordinary layer, a layer that names store paths, and two ordinary layers again. */
export async function buildImages(shell: NodeShell, { greeter, redis }: Packages): Promise<DemoImages> {
  const { report } = shell;
  report.say(
    'Each image has four layers: busybox, as in any image; a Nix layer, which names store paths and holds none ' +
      'of their bytes; links to them, so that /bin has the programs; and one more ordinary layer with a file of ' +
      'its own.',
  );
  const base = await busyboxArchive(shell.node);
  const images: DemoImages = {
    redis: await buildImage(shell, {
      name: 'redis',
      base,
      storePaths: [redis],
      entrypoint: ['redis-server', '/etc/redis.conf'],
      top: { path: 'etc/redis.conf', content: REDIS_CONF },
    }),
    visitors: await buildImage(shell, {
      name: 'visitors',
      base,
      storePaths: [greeter, redis],
      entrypoint: ['visit'],
      top: { path: 'bin/visit', mode: 0o755, content: VISIT },
    }),
  };
  await describeImage(shell, images.redis);
  await describeImage(shell, images.visitors);
  return images;
}

async function buildImage(
  shell: NodeShell,
  recipe: {
    readonly name: string;
    readonly base: string;
    readonly storePaths: readonly string[];
    readonly entrypoint: readonly string[];
    readonly top: LayerEntry;
  },
): Promise<DemoImage> {
  const name = `demo.example/${recipe.name}:1`;
  const layout = `/tmp/demo/${recipe.name}`;
  const from = ['--from-image', recipe.base];
  const links = recipe.storePaths.flatMap((path) => ['--copy-to-root', path]);
  const entrypoint = recipe.entrypoint.flatMap((word) => ['--entrypoint', word]);
  const out = ['--ref', name, '--format', 'oci-layout', '--out', layout];
  await shell.quietly([
    'nix2container',
    'build',
    ...from,
    ...links,
    ...entrypoint,
    ...out,
    ...recipe.storePaths,
  ]);
  await appendLayer(shell.node.hostPath(layout), [recipe.top]);
  const { layers } = await readManifest(shell.node.hostPath(layout));
  const closureInfo = layers[1]?.annotations?.[CLOSURE_ANNOTATION];
  expect(layers.length === 4 && closureInfo !== undefined, `${layout} has no Nix layer on its base`);
  return { name, layout, closureInfo };
}

async function describeImage({ node, report }: NodeShell, image: DemoImage): Promise<void> {
  const { layers } = await readManifest(node.hostPath(image.layout));
  const { paths, bytes } = await measureClosure(node, [image.closureInfo]);
  // The list itself is no part of what the container sees.
  const named = count(paths.length - 1, 'store path');
  const what = ['busybox', `names ${named} (${formatBytes(bytes)})`, 'links to them', 'one file'];
  report.table(
    layers.map((layer, i): Row => {
      const label = i === 0 ? image.name : '';
      return [label.padEnd(27), `layer ${i + 1}: ${formatBytes(layer.size).padEnd(12)}${what[i] ?? ''}`];
    }),
  );
}
