import assert from 'node:assert/strict';
import type { ProblemId } from '../../../src/problems/definitions.ts';
import { eventually } from '../support/rig.ts';
import { factsIn } from './sentence.ts';
import { FILLED, type World } from './world.ts';

/** A cache that nobody serves. */
const DEAD_CACHE = 'http://127.0.0.1:9';
/** Well-formed, and nobody's. */
const OTHER_KEY = `other-1:${Buffer.alloc(32).toString('base64')}`;
/** What is free of the Nix store's disk when it is "full", in KiB: Nix needs a little to be asked at all. */
const LEFT_KIB = 1024;

/** A set-up that is broken. */
export interface Broken {
  /** What the sentence must name. */
  readonly facts: Readonly<Record<string, string>>;
  /** What only who mends it knows: variables of the commands. */
  readonly known?: Readonly<Record<string, string>>;
  /** Called before the commands are run: what breaks by itself, ends by itself. */
  readonly ends?: () => Promise<void>;
}

/** Each breaks the set-up in one way, for the path of that name. */
export const SCENARIOS = {
  'cache-down': async (world) => {
    await world.nixConf(`substituters = ${DEAD_CACHE}`);
    return { facts: { cache: DEAD_CACHE }, known: { other_cache: world.rig.cache.url } };
  },

  // The cache sends no archive before it is told to.
  'cache-slow': async (world) => {
    const { cache, node } = world.rig;
    await world.configure('', '2s');
    await cache.setFaults([{ match: '/nar/', hold: true }]);
    await world.pull(world.pathOf('cache-slow'));
    await eventually(async () => {
      const { stdout } = await node.exec(['nix-snapshotter', 'status', '--json']);
      assert.ok(stdout.includes(cache.url), stdout);
    });
    return { facts: { cache: cache.url }, ends: async () => await cache.setFaults([]) };
  },

  absent: async (world) => ({
    facts: { answers: `${world.rig.cache.url}: HTTP 404` },
    known: { from: world.builder.pushAddress, push: world.rig.cache.pushAddress },
  }),

  'no-cache': async (world) => {
    await world.nixConf('substituters =');
    return { facts: {}, known: { cache: world.rig.cache.url } };
  },

  'stale-miss': async (world) => {
    const { cache } = world.rig;
    await world.nixConf('trusted-users = nobody');
    await world.startNixDaemon();
    await world.configure('[nix]\nstore = "daemon"\n');
    const path = world.pathOf('stale-miss');
    factsIn((await world.pull(path)).stderr, 'absent', { path });
    await world.rig.node.exec([
      'nix',
      'copy',
      '--from',
      world.builder.pushAddress,
      '--to',
      cache.pushAddress,
      path,
    ]);
    return { facts: { cache: cache.url } };
  },

  login: async (world) => {
    await world.rig.cache.setFaults([{ match: '', login: 'reader:open-sesame' }]);
    await world.rig.node.writeFile(
      '/etc/nix/netrc',
      'machine 127.0.0.1 login reader password as-it-was\n',
      0o600,
    );
    return {
      facts: { cache: world.rig.cache.url },
      known: { user: 'reader', password: 'open-sesame' },
    };
  },

  'bad-signature': async (world) => {
    const { cache } = world.rig;
    await world.nixConf(`trusted-public-keys = ${OTHER_KEY}`);
    return { facts: { cache: cache.url, signers: 'cache-1' }, known: { key: cache.publicKey ?? '' } };
  },

  unsigned: async (world) => {
    const { unsigned, rig } = world;
    await world.nixConf(`substituters = ${unsigned.url}`);
    return {
      facts: { cache: unsigned.url },
      known: { push: unsigned.pushAddress, key_file: `${rig.cache.dir}.key` },
    };
  },

  'damaged-archive': async (world) => {
    const { cache, node } = world.rig;
    const path = world.pathOf('damaged-archive');
    const hash = path.slice('/nix/store/'.length).slice(0, 32);
    await node.sh(
      `cd ${cache.dir}; nar=$(sed -n 's/^URL: //p' ${hash}.narinfo); chmod u+w $nar; truncate -s 200 $nar`,
    );
    return {
      facts: { cache: cache.url, damaged: path },
      known: { cache_dir: cache.dir, from: world.builder.pushAddress, push: cache.pushAddress },
    };
  },

  'disk-full': async (world) => {
    const { node, cache } = world.rig;
    await node.sh('head -c 64000000 /dev/zero > /tmp/garbage; nix-store --add /tmp/garbage; rm /tmp/garbage');
    await node.sh(`mount -o remount,size=$(($(df --output=used /nix | tail -n 1) + ${LEFT_KIB}))k /nix`);
    return { facts: { cache: cache.url } };
  },

  'store-read-only': async (world) => {
    const { node, cache, snapshotter } = world.rig;
    await snapshotter.stop();
    await eventually(async () => await node.exec(['mount', '-o', 'remount,ro', '/nix']));
    await snapshotter.start();
    return { facts: { cache: cache.url } };
  },

  'nix-daemon-down': async (world) => {
    await world.configure('[nix]\nstore = "daemon"\n');
    return { facts: { cache: world.rig.cache.url } };
  },

  'wrong-architecture': async (world) => ({
    facts: { cache: world.rig.cache.url },
    known: {
      expression: await world.expressionOf('right-architecture'),
      push: world.rig.cache.pushAddress,
    },
  }),

  // The limit is the machine's, the mounts that it counts are those of the node's mount namespace.
  'mount-max': async (world) => {
    const { node } = world.rig;
    await node.sh(FILL_MOUNTS);
    return { facts: {}, known: { directory: FILLED } };
  },
} as const satisfies { readonly [Id in ProblemId]?: (world: World) => Promise<Broken> };

/** Doubles a tree of mounts up to 65,519 in all, then adds such trees as they fit in, then smaller ones. */
const FILL_MOUNTS = `
mkdir -p ${FILLED}
mount -t tmpfs filled ${FILLED}
mount --make-private ${FILLED}
cd ${FILLED}
mkdir 0 all
mount --bind 0 0
n=0
while [ $n -lt 14 ]; do
  mkdir $((n + 1))
  mount --bind $((n + 1)) $((n + 1))
  mkdir $((n + 1))/a $((n + 1))/b
  mount --rbind $n $((n + 1))/a
  mount --rbind $n $((n + 1))/b
  n=$((n + 1))
done
i=0
while [ $n -ge 0 ]; do
  mkdir all/$i
  if mount --rbind $n all/$i 2>/dev/null; then i=$((i + 1)); else n=$((n - 1)); rmdir all/$i; fi
done
`;
