import { readdir, readFile } from 'node:fs/promises';
import { busyboxEntries } from '../fixtures/images.ts';
import { type LayerEntry, ociArchive } from '../fixtures/oci-archive.ts';
import { inside } from '../sandbox/layout.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Closure } from './closures.ts';

/** An image in an archive on the node. */
export interface Archive {
  /** Inside the node. */
  readonly path: string;
  /** The image's name. */
  readonly image: string;
  /** A busybox inside the image. */
  readonly shell: string;
}

const DIRECTORY = '/var/lib/bench-images';

/** An ordinary image of one small layer: a busybox. */
export async function plainArchive(node: Sandbox): Promise<Archive> {
  return await ordinaryArchive(node, 'plain', [await busyboxEntries(node)], '/bin/busybox');
}

/** The content of a closure as an ordinary layer. */
export async function contentArchive(node: Sandbox, closure: Closure): Promise<Archive> {
  const entries: LayerEntry[] = [directory('nix'), directory('nix/store')];
  for (const path of closure.paths) {
    const host = node.hostPath(path);
    entries.push(directory(path.slice(1)));
    for (const entry of await readdir(host, { recursive: true, withFileTypes: true })) {
      const file = `${entry.parentPath}/${entry.name}`;
      const name = `${path}${file.slice(host.length)}`.slice(1);
      if (entry.isDirectory()) entries.push(directory(name));
      else entries.push({ path: name, mode: 0o555, content: await readFile(file) });
    }
  }
  return await ordinaryArchive(
    node,
    `content-${closure.size}`,
    [baseEntries('content'), entries],
    closure.shell,
  );
}

/**
 * An image whose layer names a closure, by one annotation or by one for each path, on a small base layer.
 *
 * @param variant images of one closure with different variants share no layer.
 */
export async function closureArchive(
  node: Sandbox,
  closure: Closure,
  variant: string,
  annotate: 'closure' | 'paths',
): Promise<Archive> {
  const base = await ordinaryArchive(node, `base-${variant}`, [baseEntries(variant)], '');
  const name = `${annotate}-${closure.size}-${variant}`;
  const path = `${DIRECTORY}/${name}.tar`;
  const image = `localhost/${name}:1`;
  const named = annotate === 'closure' ? ['--closure', `${closure.info}/store-paths`] : [closure.root];
  const options = ['--annotate', annotate, '--from-image', base.path, '--entrypoint', closure.shell];
  const target = ['--ref', image, '--log-level', 'error', '--out', path];
  const build = ['node', `${inside.project}/dist/nix2container.mjs`, 'build'];
  await node.exec([...build, ...options, ...target, ...named]);
  return { path, image, shell: closure.shell };
}

async function ordinaryArchive(
  node: Sandbox,
  name: string,
  layers: readonly (readonly LayerEntry[])[],
  shell: string,
): Promise<Archive> {
  const path = `${DIRECTORY}/${name}.tar`;
  const image = `localhost/${name}:1`;
  await node.writeFile(
    path,
    await ociArchive({ name: image, layers: layers.map((entries) => ({ entries })) }),
  );
  return { path, image, shell };
}

function baseEntries(variant: string): readonly LayerEntry[] {
  const users = { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n' };
  const directories = ['etc', 'proc', 'sys', 'dev', 'run', 'tmp'].map(directory);
  return [...directories, users, { path: 'etc/variant', content: `${variant}\n` }];
}

function directory(path: string): LayerEntry {
  return { path, type: 'directory' };
}
