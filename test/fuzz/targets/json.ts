import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { parseIndex, parseManifest } from '../../../src/image/descriptor.ts';
import { parseImageConfig, parseRunConfig } from '../../../src/image/image-config.ts';
import { listManifests } from '../../../src/image/select-manifest.ts';
import { parsePerms } from '../../../src/image/perms.ts';
import { decodeRecord, encodeRecord } from '../../../src/metadata/codec.ts';
import { inputsOf, parseNix2container } from '../../../src/store-image/nix2container-json.ts';
import { outcome, type Random, type Target } from '../target.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const PATH = `/nix/store/${HASH}-name`;
const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const descriptor = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: digest('a'),
  size: 10,
  annotations: { a: 'b' },
  platform: { os: 'linux', architecture: 'amd64' },
};
const manifest = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { ...descriptor, mediaType: 'application/vnd.oci.image.config.v1+json' },
  layers: [descriptor],
};
const index = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [{ ...descriptor, mediaType: manifest.mediaType }],
};
const config = {
  os: 'linux',
  architecture: 'amd64',
  config: { Env: ['A=b'], Cmd: ['x'], Volumes: { '/d': {} }, ExposedPorts: { '80/tcp': {} } },
  rootfs: { type: 'layers', diff_ids: [digest('b')] },
  history: [{ created_by: 'x', empty_layer: true }],
};
const nix2container = {
  version: 1,
  'image-config': { Cmd: ['x'] },
  layers: [
    {
      digest: digest('c'),
      size: 5,
      diff_ids: digest('d'),
      mediatype: descriptor.mediaType,
      paths: [
        {
          path: PATH,
          options: {
            rewrite: { regex: `^${PATH}`, repl: '' },
            perms: [{ regex: '.*', mode: '0755', uid: 1, gid: 1, uname: 'a' }],
          },
        },
      ],
    },
  ],
  arch: 'amd64',
};
const perms = [{ path: PATH, regex: 'x', mode: '0644', uid: 1, gid: 2, uname: 'app' }];
const record = {
  v: 1,
  id: 3,
  kind: 'committed',
  parent: '',
  created: { seconds: 1, nanos: 2 },
  updated: { seconds: 1, nanos: 2 },
  labels: [['a', 'b']],
  closure: { source: 'label', closure: { kind: 'paths', paths: [PATH] } },
  view: 'overlay',
};

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  '',
  'x',
  '\0',
  [],
  {},
  [[]],
  digest('e'),
  PATH,
  '__proto__',
  2 ** 53,
  'A'.repeat(5000),
  ['a', 1],
  { a: { b: {} } },
];

/** Some document with members left out, replaced, doubled or nested. */
function changed(random: Random, value: unknown, depth = 0): unknown {
  if (random.next(12) === 0) return random.pick(VALUES);
  if (depth > 8) return value;
  if (Array.isArray(value)) {
    const items = value.flatMap((item) => (random.next(8) === 0 ? [] : [changed(random, item, depth + 1)]));
    return random.next(6) === 0 ? [...items, ...items, random.pick(VALUES)] : items;
  }
  if (typeof value !== 'object' || value === null) return random.next(5) === 0 ? random.pick(VALUES) : value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      random.next(10) === 0
        ? []
        : [[random.next(20) === 0 ? '__proto__' : name, changed(random, member, depth + 1)]],
    ),
  );
}

function target(
  seed: unknown,
  check: (bytes: Buffer) => unknown,
  refuses?: (error: unknown) => boolean,
): Target {
  return {
    seeds: [JSON.stringify(seed)],
    generate: (random) => JSON.stringify(changed(random, seed)),
    check: (bytes) => outcome(() => check(bytes), refuses),
  };
}

export const JSON_TARGETS = {
  manifests: target(manifest, (bytes) => parseManifest(bytes, 'manifest')),
  indexes: target(index, async (bytes) => {
    const parsed = parseIndex(bytes, 'index');
    // An index that names itself, however often, comes to an end.
    const [first] = parsed.manifests;
    const blobs = {
      path: 'index',
      has: () => Promise.resolve(true),
      open: () => Promise.resolve(Readable.from([bytes])),
      read: () => Promise.resolve(Buffer.from(bytes)),
    };
    return first === undefined
      ? parsed
      : await listManifests(blobs, { ...first, mediaType: index.mediaType });
  }),
  configs: target(config, (bytes) => parseImageConfig(bytes, 'config')),
  runConfigs: target(config.config, (bytes) => parseRunConfig(bytes, 'config')),
  nix2container: target(nix2container, (bytes) => {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString());
    } catch {
      return 'no JSON';
    }
    const parsed = parseNix2container(value, 'image');
    return parsed === undefined ? 'another' : [parsed, inputsOf(parsed)];
  }),
  perms: target(perms, (bytes) => parsePerms(bytes, 'perms')),
  records: target(record, (bytes) => {
    const decoded = decodeRecord('k', bytes.toString());
    assert.deepEqual(decodeRecord('k', encodeRecord(decoded)), decoded);
    return decoded;
  }),
};
