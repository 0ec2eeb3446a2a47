import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
} from '../../src/closure/annotations.ts';
import { LAYER_MARKER } from '../../src/closure/recover.ts';
import { createRpcClient } from '../../src/rpc/client.ts';
import { snapshots } from '../../src/rpc/proto.ts';
import { startSnapshotter } from '../sandbox/snapshotter.ts';
import { NAME_TO_HANDLE, OPEN_BY_HANDLE, perl, writeAttempts } from './security/attempts.ts';
import { HOSTILE_LAYERS, REFUSED_LAYERS } from './security/hostile-layers.ts';
import { CANARY, load, makeWorld, SECRET, STORE_DIRECTORIES, type World } from './security/world.ts';
import { runContainer } from './support/container.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { matrix } from './support/matrix.ts';
import { eventually, Rig } from './support/rig.ts';

const PLAIN = 'localhost/plain:1';
const HOSTILE = 'localhost/forged:1';
const VIEWS = ['overlay', 'binds', 'store'] as const;
/** What a pod may have without devices of the host. */
const MANY_RIGHTS = ['SYS_ADMIN', 'DAC_READ_SEARCH', 'DAC_OVERRIDE', 'MKNOD', 'SYS_PTRACE'].flatMap(
  (name) => ['--cap-add', `CAP_${name}`],
);
/** Looks into every file that a container can reach, and at what it may see of the store. */
const search = ({ link, other }: World) =>
  [
    `find / -path /proc -prune -o -path /sys -prune -o -type f -size -100k -exec grep -l ${CANARY} {} + 2>/dev/null`,
    `cat ${link} /stolen /etc-of-the-host/shadow 2>/dev/null`,
    `ls ${other} /store/${other.slice('/nix/store/'.length)} 2>/dev/null`,
    'echo searched',
  ].join(';');

for (const row of await matrix(['2.3'])) {
  describe(`who means harm, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let world: World;
    let nothing: Footprint;
    before(async () => {
      rig = await Rig.up({ row });
      world = await makeWorld(rig);
      nothing = await footprint(rig);
    });
    after(() => rig?.down());

    const run = async (image: string, script: string, flags: readonly string[] = []) =>
      await runContainer(rig, { image, id: 'harm', flags, reject: false }, [
        '/bin/busybox',
        'sh',
        '-c',
        script,
      ]);
    const remove = async (image: string) => {
      await rig.containerd.ctr(['image', 'rm', '--sync', image]);
    };
    /** Resolves when nothing is left of images and containers. */
    const clean = async () =>
      await eventually(async () => {
        assert.deepEqual(await footprint(rig), nothing);
      });
    /** Everything about a file of the store that a container could change, and the names in the store. */
    const stateOfStore = async () => {
      const { stdout } = await rig.node.sh(
        `find /nix/store -mindepth 1 -maxdepth 1 | sort; find ${world.greeter} -printf '%p %i %M %u %s %T@\\n' | sort; cat ${SECRET}; ls /var/lib/host-secret; nix-store --verify-path ${world.closure.join(' ')} && echo verified`,
      );
      return stdout;
    };

    it('layers that claim more than their image gain nothing, in any view', async () => {
      const store = await stateOfStore();
      assert.equal((await load(world, PLAIN, world.layers)).exitCode, 0);
      const images = new Map<string, string>();
      for (const [what, entries] of Object.entries(HOSTILE_LAYERS)) {
        const image = `localhost/hostile:${images.size}`;
        const { exitCode, stderr } = await load(world, image, [...world.layers, { entries: entries(world) }]);
        assert.equal(exitCode, 0, `${what}: ${stderr}`);
        images.set(image, what);
      }
      for (const [what, entries] of Object.entries(REFUSED_LAYERS)) {
        const { exitCode, stderr } = await load(world, 'localhost/refused:1', [...world.layers, { entries }]);
        assert.notEqual(exitCode, 0, what);
        assert.match(stderr, /snapshots\/\d+\/fs\/|invalid whiteout name/, what);
      }
      // The search finds what is there.
      const shown = ['--mount', 'type=bind,src=/var/lib/host-secret,dst=/tmp,options=rbind:ro'];
      assert.match((await run(PLAIN, search(world), shown)).stdout, /^\/tmp\/canary$/m);
      for (const view of VIEWS) {
        await rig.configure(`view = "${view}"`);
        for (const [image, what] of images) {
          const { stdout } = await run(image, search(world));
          assert.match(stdout, /searched$/, what);
          const all = `${what}, view ${view}: ${stdout}`;
          assert.ok(!stdout.includes(CANARY) && !stdout.includes('/canary'), all);
          // The whole store is shown where that was asked for.
          if (view !== 'store') assert.doesNotMatch(stdout, /\bshare\b/, all);
        }
        assert.equal(await stateOfStore(), store, view);
      }
      for (const image of [PLAIN, ...images.keys()]) await remove(image);
      await clean();
    });

    it('a container with CAP_SYS_ADMIN changes nothing of the store, and opens nothing of the host by a handle', async () => {
      await rig.configure('view = "overlay"');
      const layers = [...world.layers, { entries: await perl(rig.node) }];
      assert.equal((await load(world, PLAIN, layers)).exitCode, 0);
      const store = await stateOfStore();
      for (const flags of [MANY_RIGHTS, ['--privileged']]) {
        const { stdout } = await run(PLAIN, writeAttempts(world), flags);
        assert.match(stdout, /^tried$/m);
        assert.equal(await stateOfStore(), store, flags.join(' '));
      }
      const file = `${world.greeter}/share/greeter/message`;
      for (const [path, flags] of [
        [file, '2'],
        [SECRET, '0'],
      ] as const) {
        const { stdout: handle } = await rig.node.exec(['perl', '-e', NAME_TO_HANDLE, path]);
        // The node itself opens it, so the handle is right.
        const opened = await rig.node.exec([
          'env',
          'FLAGS=0',
          'perl',
          '-e',
          OPEN_BY_HANDLE,
          ...handle.split(' '),
          '/nix/store',
          '/var/lib/host-secret',
        ]);
        assert.match(opened.stdout, /OPENED/, opened.stderr);
        const mounts = `$(cut -d' ' -f5 /proc/self/mountinfo)`;
        const { stdout } = await run(
          PLAIN,
          `FLAGS=${flags} /bin/perl -e '${OPEN_BY_HANDLE}' ${handle} ${mounts} /nix/store ${world.greeter} 2>&1`,
          MANY_RIGHTS,
        );
        assert.match(stdout, /^tried$/m, stdout);
        assert.doesNotMatch(stdout, /OPENED/);
      }
      assert.equal(await stateOfStore(), store);
      await remove(PLAIN);
    });

    for (const view of ['binds', 'store'] as const) {
      it(`in view "${view}" a container without CAP_SYS_ADMIN changes nothing of the store, one with it does`, async () => {
        await rig.configure(`view = "${view}"`);
        assert.equal((await load(world, PLAIN, world.layers)).exitCode, 0);
        const store = await stateOfStore();
        const rights = MANY_RIGHTS.filter((_, at) => at > 1);
        assert.match((await run(PLAIN, writeAttempts(world), rights)).stdout, /^tried$/m);
        assert.equal(await stateOfStore(), store);
        const at = view === 'store' ? '/nix/store' : world.greeter;
        const remounted = `mount -o remount,bind,rw ${at} && touch ${world.greeter}/new && rm ${world.greeter}/new && echo was written`;
        assert.match((await run(PLAIN, remounted, MANY_RIGHTS)).stdout, /^was written$/m);
        await remove(PLAIN);
      });
    }

    it('annotations that name more than the layer shows are refused, and leave nothing', async () => {
      await rig.configure('view = "overlay"');
      const [base, nix] = world.layers;
      assert.ok(base !== undefined && nix !== undefined);
      const byPaths = (...paths: readonly string[]) => ({
        [LEGACY_LAYER_ANNOTATION]: 'true',
        ...Object.fromEntries(paths.map((path, at) => [`${LEGACY_PATH_PREFIX}${at}`, path])),
      });
      const mountPoints = [world.greeter].map((path) => ({
        path: path.slice(1),
        type: 'directory' as const,
      }));
      for (const [what, layer, message] of [
        ['an ordinary layer', { ...base, annotations: nix.annotations ?? {} }, /is no Nix layer/],
        [
          'a path of another closure',
          {
            entries: [...STORE_DIRECTORIES, ...mountPoints],
            annotations: byPaths(world.greeter, world.other),
          },
          /has no mount point for \S+-a\+b/,
        ],
        [
          'less than the layer shows',
          { entries: nix.entries, annotations: byPaths(world.greeter) },
          /is marked as the layer of/,
        ],
        [
          'a host directory',
          { entries: nix.entries, annotations: byPaths('/etc') },
          /"\/etc" is not a store path/,
        ],
        [
          'the store',
          { entries: nix.entries, annotations: { [CLOSURE_ANNOTATION]: '/nix/store' } },
          /is not a store path/,
        ],
        [
          'a directory of the store that is no path',
          { entries: nix.entries, annotations: { [CLOSURE_ANNOTATION]: '/nix/store/.links' } },
          /is not a store path/,
        ],
        [
          'what is no closureInfo',
          {
            entries: [...STORE_DIRECTORIES, { path: LAYER_MARKER, content: world.greeter }],
            annotations: { [CLOSURE_ANNOTATION]: world.greeter },
          },
          /store-paths cannot be read|must name a closureInfo output/,
        ],
        [
          'a link as closureInfo',
          {
            entries: [...STORE_DIRECTORIES, { path: LAYER_MARKER, content: world.link }],
            annotations: { [CLOSURE_ANNOTATION]: world.link },
          },
          /it is not a directory/,
        ],
      ] as const) {
        const { exitCode, stderr } = await load(world, HOSTILE, [layer]);
        assert.notEqual(exitCode, 0, what);
        assert.match(stderr, message, what);
      }
      await clean();
    });

    it('state and sockets are root’s alone, whatever the umask', async () => {
      const { node } = rig;
      const [root, runtime] = ['/srv/open/root', '/srv/open/run'];
      const socket = `${runtime}/nix-snapshotter.sock`;
      const daemon = await startSnapshotter(node, {
        name: 'open',
        root,
        socket,
        wrapper: ['sh', '-c', 'umask 000; exec "$@"', 'sh'],
        config: '[resolver]\naddress = "127.0.0.1:5199"\n',
      });
      using client = createRpcClient({ address: node.hostPath(socket) });
      const labels = { [CLOSURE_ANNOTATION]: world.closureInfo };
      await client.service(snapshots).Prepare({ key: 'nix', labels });
      await client.service(snapshots).Prepare({ key: 'plain' });
      const { stdout } = await node.sh(
        `stat -c '%a %F %n' ${root} ${root}/* ${root}/*/* ${runtime} ${runtime}/*`,
      );
      // What a container's own layer holds has the image's modes; it lies below what is root's alone.
      const open = stdout.split('\n').filter((line) => !/^(700|600) /.test(line));
      assert.deepEqual(
        open.filter((line) => !/symbolic link|regular|snapshots\/\d+$|views\/\w+$/.test(line)),
        [`755 directory ${runtime}`],
      );
      const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
      const found = await node.exec([...nobody, 'find', root], { reject: false });
      assert.equal(found.stdout, root);
      assert.match(found.stderr, /Permission denied/);
      const ask = 'use IO::Socket::UNIX; print IO::Socket::UNIX->new(Peer => $ARGV[0]) ? "connected" : $!';
      for (const place of [socket, rig.snapshotter.socket, rig.containerd.socket])
        assert.equal((await node.exec([...nobody, 'perl', '-e', ask, place])).stdout, 'Permission denied');
      assert.equal((await node.exec(['perl', '-e', ask, socket])).stdout, 'connected');
      await daemon.stop();
    });

    it('names with newlines and escapes of terminals are escaped in the log and in error texts', async () => {
      const { node, snapshotter } = rig;
      using client = createRpcClient({ address: node.hostPath(snapshotter.socket) });
      const key =
        'a\n{"level":60,"msg":"forged"}\u001b[2J\u009b31m\r\u202e$(touch /tmp/ran)`touch /tmp/ran`;';
      const service = client.service(snapshots);
      await service.Prepare({ key });
      await assert.rejects(service.Prepare({ key }), ({ message }: Error) => !CONTROL.test(message));
      await assert.rejects(
        service.Stat({ key: `${key}-absent` }),
        ({ message }: Error) => !CONTROL.test(message),
      );
      const labels = { [CLOSURE_ANNOTATION]: key };
      await assert.rejects(
        service.Prepare({ key: 'k', labels }),
        ({ message }: Error) => !CONTROL.test(message),
      );
      const listing = Array.fromAsync(service.List({ filters: [`name==${key}`] }));
      await assert.rejects(listing, ({ message }: Error) => !CONTROL.test(message));
      await service.Remove({ key });
      const log = await snapshotter.logs();
      assert.doesNotMatch(log, CONTROL_IN_LINE);
      for (const line of log.trimEnd().split('\n'))
        assert.notEqual((JSON.parse(line) as { msg?: string }).msg, 'forged');
      assert.equal((await node.exec(['ls', '/tmp/ran'], { reject: false })).exitCode, 2);
    });
  });
}

// eslint-disable-next-line no-control-regex -- what a terminal would act on
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
// eslint-disable-next-line no-control-regex -- the same, but for the newlines between lines
const CONTROL_IN_LINE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
