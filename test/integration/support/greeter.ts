import assert from 'node:assert/strict';
import type { LayerEntry } from '../../fixtures/oci-archive.ts';
import { buildPackages, closureInfo, closureOf, deletePaths } from '../../fixtures/packages.ts';
import { ensureTool } from '../../sandbox/go-tools.ts';
import { inside } from '../../sandbox/layout.ts';
import { runContainer } from './container.ts';
import type { Rig } from './rig.ts';

export const GREETING = 'Hello from the Nix store, world!';

/** Awkward names, files and links; not a link to nowhere, which the Go tool cannot take. */
const PACKAGES = [
  'greeter',
  'plus',
  'upper',
  'longest',
  'file',
  'emptyFile',
  'linkToDirectory',
  'linkToFile',
] as const;

/** A small closure that the binary cache has, and what is needed to make images of it. */
export interface GreeterClosure {
  readonly greeter: string;
  readonly busybox: string;
  /** All of it, sorted. */
  readonly closure: readonly string[];
  readonly closureInfo: string;
}

/** Builds the closure on the rig's node and puts it on the cache; it stays in the store. */
export async function greeterClosure(rig: Rig): Promise<GreeterClosure> {
  const { busybox, ...packages } = await buildPackages(rig.node, [...PACKAGES, 'busybox']);
  const info = await closureInfo(rig.node, Object.values(packages));
  await rig.cache.add([info]);
  const closure = await closureOf(rig.node, Object.values(packages));
  return { greeter: packages.greeter, busybox, closure, closureInfo: info };
}

/** A container of an image with the closure sees all of it, and nothing else unless the view is the whole store. */
export async function assertShown(
  rig: Rig,
  { busybox, closure }: GreeterClosure,
  image: string,
): Promise<void> {
  const list = [`${busybox}/bin/ls`, '-A', '/nix/store'];
  const { stdout } = await runContainer(rig, { image, id: 'shown' }, list);
  const shown = stdout.split('\n').map((name) => `/nix/store/${name}`);
  assert.deepEqual(
    closure.filter((path) => !shown.includes(path)),
    [],
  );
  assert.equal(shown.length > closure.length, rig.view === 'store', stdout);
}

/** Deletes the closure from the node's store; no root may hold it. */
export async function forget({ node }: Rig, { closure }: GreeterClosure): Promise<void> {
  await deletePaths(node, closure);
}

/** An OCI archive made by the Go version's `nix2container`, inside the sandbox. */
export async function goImage({ node }: Rig, made: GreeterClosure, name: string): Promise<string> {
  const tool = `${inside.tools}/${await ensureTool('nix2container')}/nix2container`;
  const archive = '/tmp/images/go.tar';
  const config = { Cmd: [`${made.greeter}/bin/greet`], Env: [`PATH=${made.greeter}/bin`] };
  await node.writeFile('/tmp/go/config.json', JSON.stringify(config));
  await node.writeFile('/tmp/go/root.json', JSON.stringify([made.greeter]));
  await node.exec(['mkdir', '-p', '/tmp/images']);
  const inputs = ['--config', '/tmp/go/config.json', '--copy-to-root', '/tmp/go/root.json'];
  const closure = ['--closure', `${made.closureInfo}/store-paths`];
  await node.exec([tool, 'build', ...inputs, ...closure, '--ref', name, archive]);
  return archive;
}

/** An OCI archive made by our tool, inside the sandbox. */
export async function ownImage(
  rig: Rig,
  made: GreeterClosure,
  name: string,
  flags: readonly string[] = [],
): Promise<string> {
  const archive = '/tmp/images/own.tar';
  await rig.node.exec(['mkdir', '-p', '/tmp/images']);
  const config = ['--cmd', `${made.greeter}/bin/greet`, '--log-level', 'error', '--ref', name];
  const closure = ['--closure', `${made.closureInfo}/store-paths`, '--copy-to-root', made.greeter];
  await rig.nix2container(['build', ...config, ...closure, ...flags, archive]);
  return archive;
}

/** An ordinary layer that happens to have real content in `nix/store`: a package as it is. */
export function realContent(path: string): readonly LayerEntry[] {
  const name = path.slice(1);
  return [
    { path: 'nix', type: 'directory' },
    { path: 'nix/store', type: 'directory' },
    { path: name, type: 'directory' },
    { path: `${name}/content`, content: 'in the layer itself\n' },
  ];
}
