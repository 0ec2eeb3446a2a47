import type { LayerEntry } from '../../fixtures/oci-archive.ts';
import { SECRET, STORE_DIRECTORIES, type World } from './world.ts';

const link = (path: string, linkTarget: string): LayerEntry => ({ path, type: 'symlink', linkTarget });
const hardLink = (path: string, linkTarget: string): LayerEntry => ({ path, type: 'link', linkTarget });
const overlay = (name: string, value: string) =>
  Object.fromEntries(['trusted', 'user'].map((space) => [`SCHILY.xattr.${space}.overlay.${name}`, value]));
const secretDirectory = SECRET.slice(0, SECRET.lastIndexOf('/'));

/** Layers that want more than their own image, on top of that of a closure; containerd unpacks them. */
export const HOSTILE_LAYERS: Readonly<Record<string, (world: World) => readonly LayerEntry[]>> = {
  'a link in place of /nix, and files below a link that climbs': () => [
    link('nix', secretDirectory),
    link('climb', '../../../../../..'),
    { path: `climb${SECRET}`, content: 'written' },
    { path: `../../../../../..${SECRET}`, content: 'written' },
  ],
  'a link in place of /nix/store': () => [
    { path: 'nix', type: 'directory' },
    link('nix/store', secretDirectory),
  ],
  'links in place of store paths, to the host and to paths of others': ({ greeter, other, closureInfo }) => [
    ...STORE_DIRECTORIES,
    link(greeter.slice(1), secretDirectory),
    link(closureInfo.slice(1), other),
    link('nix/store/.links', '/'),
    link('etc-of-the-host', '../../../../../../etc'),
  ],
  'a whiteout of /nix': () => [{ path: '.wh.nix' }],
  'a whiteout of /nix/store': () => [{ path: 'nix', type: 'directory' }, { path: 'nix/.wh.store' }],
  'whiteouts of a store path, and of all of them': ({ greeter }) => [
    ...STORE_DIRECTORIES,
    { path: `nix/store/.wh.${greeter.slice('/nix/store/'.length)}` },
    { path: 'nix/store/.wh..wh..opq' },
  ],
  "devices, overlayfs's whiteout and overlayfs's own attributes": ({ greeter, link: linkPath, other }) => [
    { path: 'nix', type: 'directory', pax: overlay('opaque', 'y') },
    { path: 'nix/store', type: 'directory', pax: overlay('redirect', '/') },
    { path: other.slice(1), type: 'directory', pax: overlay('redirect', other.slice('/nix/store'.length)) },
    { path: greeter.slice(1), type: 'character-device' },
    { path: linkPath.slice(1), type: 'block-device', device: [8, 0], mode: 0o666 },
    { path: 'memory', type: 'character-device', device: [1, 1], mode: 0o666 },
    { path: 'stolen', pax: { ...overlay('metacopy', ''), ...overlay('redirect', SECRET) } },
    { path: 'store', type: 'directory', pax: overlay('redirect', '/nix/store') },
    { path: 'up', type: 'directory', pax: overlay('redirect', '/../../..') },
  ],
};

/** Layers that containerd refuses to unpack, for there is nothing below their own directory that they name. */
export const REFUSED_LAYERS: Readonly<Record<string, readonly LayerEntry[]>> = {
  'a hard link to a file of the host': [hardLink('stolen', SECRET)],
  'a hard link that climbs': [hardLink('stolen', `../../../../../../..${SECRET}`)],
  'whiteouts of what is above the root': [{ path: 'nix', type: 'directory' }, { path: 'nix/.wh...' }],
};
