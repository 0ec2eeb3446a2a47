import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { pack } from 'tar-stream';
import type { StorePath } from '../../../src/closure/store-path.ts';
import {
  type Descriptor,
  describe,
  describeManifest,
  encodeJson,
  MEDIA,
} from '../../../src/image/descriptor.ts';
import type { NixQuery } from '../../../src/image/nix-query.ts';
import type { Platform } from '../../../src/image/platform.ts';

export const HASH = 'abcdfghijklmnpqrsvwxyz0123456789';

/** A legal store path by its name. */
export function storePath(name: string, hash = HASH): StorePath {
  return `/nix/store/${hash}-${name}` as StorePath;
}

/** A directory that is removed after the test. */
export async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'image-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export interface TarMember {
  readonly name: string;
  readonly content?: Uint8Array | string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device';
  readonly linkname?: string;
}

export async function tarOf(members: readonly TarMember[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content = '', type = 'file', linkname } of members) {
    const header = { name, type, mtime: new Date(0), ...(linkname === undefined ? {} : { linkname }) };
    if (type === 'file') tar.entry(header, Buffer.from(content));
    else tar.entry(header);
  }
  tar.finalize();
  return buffer(tar);
}

/** A layer of one file. */
export function layerTar(name = 'etc/hello', content = 'hello'): Promise<Buffer> {
  return tarOf([{ name, content }]);
}

export function imageConfig(diffIds: readonly string[], extra: object = {}): Buffer {
  return encodeJson({
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...extra,
  });
}

/** Members of an OCI layout: blobs and `index.json`. */
export function ociMembers(blobs: readonly Uint8Array[], manifests: readonly Descriptor[]): TarMember[] {
  return [
    ...blobs.map((bytes) => ({
      name: `blobs/${describe('', bytes).digest.replace(':', '/')}`,
      content: bytes,
    })),
    { name: 'index.json', content: encodeJson({ schemaVersion: 2, manifests }) },
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
  ];
}

/** A single-layer OCI image. */
export async function ociImage(options: { platform?: Platform; config?: object; layer?: Buffer } = {}) {
  const layer = options.layer ?? (await layerTar());
  const layerDescriptor = describe(MEDIA.ociLayer, layer);
  const platform = options.platform ?? { os: 'linux', architecture: 'amd64' };
  const config = imageConfig([layerDescriptor.digest], { ...platform, config: options.config ?? {} });
  const manifest = describeManifest(describe(MEDIA.ociConfig, config), [layerDescriptor]);
  return {
    layer,
    config,
    manifest,
    descriptor: { ...manifest.descriptor, platform: { ...platform } },
    blobs: [layer, config, manifest.bytes],
  };
}

/** The first bytes of a Linux program: `e_machine` 62 is x86-64, 183 is arm64. */
export function elf(machine: number): Buffer {
  const head = Buffer.alloc(64);
  head.writeUInt32BE(0x7f454c46, 0);
  head.set([2, 1, 1], 4);
  head.writeUInt16LE(machine, 18);
  return head;
}

/** A store in a directory: values are file contents, `{ link }`, or undefined for an empty directory. */
export async function makeStore(
  dir: string,
  files: Readonly<Record<string, string | Buffer | { link: string } | undefined>>,
): Promise<string> {
  const real = join(dir, 'store');
  await mkdir(real, { recursive: true });
  for (const [path, value] of Object.entries(files)) {
    const file = join(real, path.slice('/nix/store/'.length));
    await mkdir(value === undefined ? file : dirname(file), { recursive: true });
    if (typeof value === 'string' || Buffer.isBuffer(value)) await writeFile(file, value);
    else if (value !== undefined) await symlink(value.link, file);
  }
  return real;
}

/** Nix that knows one closure, in which each path refers to all that follow. */
export function fixedNix(closure: readonly StorePath[]): NixQuery {
  return {
    references: async (paths) => new Map(paths.map((path, at) => [path, paths.slice(at + 1)])),
    closure: async () => closure,
    closureInfo: async () => storePath('closure-info'),
    currentPlatform: async () => undefined,
  };
}
