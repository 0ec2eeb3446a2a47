import assert from 'node:assert/strict';
import { posix } from 'node:path';
import {
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
  namedPaths,
  parseLayerAnnotations,
} from '../../../src/closure/annotations.ts';
import { parseStorePaths } from '../../../src/closure/closure-of-layer.ts';
import {
  LAYERED_CLOSURE_ANNOTATION,
  LAYERED_PATHS_ANNOTATION,
  parseLayeredAnnotations,
} from '../../../src/closure/layered.ts';
import { isStorePathName, type StorePath } from '../../../src/closure/store-path.ts';
import { formatReference, normalReference, parseReference } from '../../../src/image/reference.ts';
import { parseChallenge } from '../../../src/image/registry-challenge.ts';
import { parseRange } from '../../../src/resolver/byte-range.ts';
import { parseRoute } from '../../../src/resolver/route.ts';
import { compileFilters } from '../../../src/snapshot/filter/match.ts';
import { parseFilter } from '../../../src/snapshot/filter/parse.ts';
import { idMapping, mappedRoot } from '../../../src/snapshot/id-mapping.ts';
import {
  GID_MAPPING_LABEL,
  isExtraction,
  UID_MAPPING_LABEL,
  updatedLabels,
} from '../../../src/snapshot/labels.ts';
import { compileExpressions } from '../../../src/store-image/expressions.ts';
import { parseStoreReference } from '../../../src/store-image/image-reference.ts';
import { parseWanted } from '../../../src/store-image/reference.ts';
import { outcome, type Random, type Target } from '../target.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const PATH = `/nix/store/${HASH}-name`;
const DIGEST = `sha256:${'a'.repeat(64)}`;

const WORDS = [
  'name',
  'labels',
  'kind',
  'parent',
  '"a.b"',
  '==',
  '!=',
  '~=',
  ',',
  '.',
  '/x/',
  '|y|',
  '"q"',
  'committed',
  '\\',
  ' ',
  'é',
];
const record = {
  key: 'k',
  id: 1,
  kind: 'committed',
  parent: '',
  created: { seconds: 0, nanos: 0 },
  updated: { seconds: 0, nanos: 0 },
  labels: new Map([['a.b', 'x']]),
} as const;

/** A store path says of itself that it leads nowhere else, whatever took it for one. */
function assertStorePath(path: string): void {
  assert.equal(posix.normalize(path), path);
  assert.equal(posix.dirname(path), '/nix/store');
  assert.match(path, /^\/nix\/store\/[0-9a-df-np-sv-z]{32}-[\w+.?=-]{1,211}$/);
  assert.ok(isStorePathName(posix.basename(path)));
}

const filters: Target = {
  seeds: [
    'name==base',
    'labels."containerd.io/x"~=/^a$/,kind!=active',
    'parent',
    'name=="\\x62\\u0061se"',
    'name~="(?i)A{3}|b"',
    'labels.a.b==1',
  ],
  generate: (random: Random) => random.list(12, () => random.pick(WORDS)).join(''),
  check: (bytes) => {
    const text = bytes.toString();
    return outcome(async () => {
      const selectors = parseFilter(text);
      assert.deepEqual(parseFilter(text), selectors);
      const matches = await compileFilters([text]);
      return [selectors, matches(record)];
    });
  },
};

const LABELS = [
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  `${LEGACY_PATH_PREFIX}1`,
  LEGACY_PATH_PREFIX,
  LAYERED_CLOSURE_ANNOTATION,
  LAYERED_PATHS_ANNOTATION,
  UID_MAPPING_LABEL,
  GID_MAPPING_LABEL,
  '__proto__',
  'a',
];
const VALUES = [
  PATH,
  'true',
  '',
  '0-11,13',
  '0:100000:65536',
  '0:0:1,1:1:1',
  `${PATH}/..`,
  '/nix/store',
  `${PATH}:/etc`,
  '5-2',
  '0',
];
const labels: Target = {
  seeds: LABELS.flatMap((label) => VALUES.map((value) => `${label}=${value}`)),
  generate: (random) => random.list(6, () => `${random.pick(LABELS)}=${random.pick(VALUES)}`).join('\n'),
  check: async (bytes) => {
    const map = new Map(
      bytes
        .toString()
        .split('\n')
        .map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)] as const),
    );
    const said = [
      await outcome(() => {
        const closure = parseLayerAnnotations(map);
        for (const path of closure === undefined ? [] : namedPaths(closure)) assertStorePath(path);
        return closure;
      }),
      await outcome(() => {
        const part = parseLayeredAnnotations(map);
        if (part !== undefined) assertStorePath(part.closureInfo);
        return part;
      }),
      await outcome(() => {
        const root = mappedRoot(map);
        if (root !== undefined)
          assert.ok(root.uid >= 0 && root.uid < 2 ** 32 && root.gid >= 0 && root.gid < 2 ** 32);
        return [root, idMapping(map)];
      }),
      await outcome(() => [...updatedLabels('k', new Map([['a', '1']]), map, [...map.keys()])].length > 0),
      isExtraction([...map.values()].join(' '), new Map()),
    ];
    return said.join('; ');
  },
};

const HOSTS = ['docker.io', 'localhost:5000', 'nix:0', 'nix.local', '[::1]:80', 'HOST', 'a.b', ''];
const REPOSITORIES = [
  'busybox',
  `nix/store/${HASH}-name`,
  HASH,
  `flake/github/o/r/${'0'.repeat(40)}/attr`,
  `flake/path/${HASH}-src`,
  'a/b__c',
  '..',
  'A',
];
const references: Target = {
  seeds: HOSTS.flatMap((host) => REPOSITORIES.map((repository) => `${host}/${repository}:latest`)).concat(
    `busybox@${DIGEST}`,
  ),
  generate: (random) =>
    `${random.pick(HOSTS)}${random.pick(['/', ''])}${random.pick(REPOSITORIES)}${random.pick(['', ':latest', ':Tag', `@${DIGEST}`, `:1@${DIGEST}`, '@', ':'])}`,
  check: async (bytes) => {
    const text = bytes.toString();
    const ordinary = await outcome(() => {
      const reference = parseReference(text);
      const full = formatReference(reference);
      assert.deepEqual(parseReference(full), reference);
      assert.equal(normalReference(full), full);
      return reference;
    });
    const ours = await outcome(() => {
      const reference = parseStoreReference(text);
      if (reference?.wanted.kind === 'path') assertStorePath(reference.wanted.path);
      if (reference?.wanted.kind === 'flake')
        assert.match(
          reference.wanted.flake,
          /^(?:(?:github|gitlab):[\w.-]+\/[\w.-]+\/[0-9a-f]{40}|path:\/nix\/store\/[^/#]+)(?:#[\w.-]+)?$/,
        );
      return reference;
    });
    const [repository = '', tag = 'latest'] = text.split(':');
    return [ordinary, ours, await outcome(() => parseWanted(repository, tag))].join('; ');
  },
};

const routes: Target = {
  seeds: [
    'GET /v2/',
    `GET /v2/${HASH}-name/manifests/latest`,
    `HEAD /v2/nix/store/${HASH}-name/blobs/${DIGEST}?ns=nix:0`,
    `GET /v2/a/tags/list`,
    'bytes=0-5',
    'bytes=-5',
    `GET /v2/a/referrers/${DIGEST}`,
  ],
  check: async (bytes) => {
    const text = bytes.toString('latin1');
    const [method = '', url = ''] = text.split(' ', 2);
    const range = parseRange(text, 1000);
    if (typeof range === 'object')
      assert.ok(range.start >= 0 && range.start < range.end && range.end <= 1000);
    return `${typeof range} ${await outcome(() => parseRoute({ method, url }))}`;
  },
};

const challenges: Target = {
  seeds: [
    'Bearer realm="https://auth.example/token",service="registry",scope="repository:a:pull"',
    'Basic realm="x"',
    'Digest a=b, Bearer realm=x',
    'bearer realm="a\\"b\\\\"',
  ],
  check: (bytes) =>
    outcome(() => {
      const challenge = parseChallenge(bytes.toString('latin1'));
      if (challenge !== undefined) assert.ok(['bearer', 'basic'].includes(challenge.scheme));
      return challenge;
    }),
};

const closureLists: Target = {
  seeds: [`${PATH}\n`, `${PATH}\n${PATH}2\n`, '', '\n\n', '/etc\n'],
  check: (bytes) =>
    outcome(() => {
      const paths = parseStorePaths(PATH as StorePath, bytes.toString());
      for (const path of paths) assertStorePath(path);
      assert.deepEqual(paths, [...new Set(paths)].toSorted());
      return paths;
    }),
};

const expressions: Target = {
  seeds: [
    '^/nix/store/[^/]*/etc',
    '((a{10}){10}){2}',
    '(a+)+$',
    '(?P<x>a|b)\\pL[[:alpha:]]{1,250}',
    '(?i)x*?',
  ],
  check: (bytes) =>
    outcome(async () => {
      const text = bytes.toString();
      const compiled = await compileExpressions([text], 'fuzz');
      compiled
        .get(text)
        ?.matcher(`${'a'.repeat(2000)}!`)
        .find();
      return text.length;
    }),
};

export const TEXT_TARGETS = { filters, labels, references, routes, challenges, closureLists, expressions };
