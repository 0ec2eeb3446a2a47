import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CRI_1, CRI_2, TRANSFER } from '../../src/containerd/plugins.ts';
import { SNAPSHOTTER_SOCKET } from '../sandbox/containerd.ts';
import { DoctorNode } from './support/doctor.ts';
import { matrix, type Release } from './support/matrix.ts';
import { DAEMON_CONFIG, MAIN, ROOT } from './support/setup.ts';

/** Imported after setup's, so that it wins. */
const LATER = '/etc/containerd/conf.d/99-mine.toml';
const HOSTS = '/etc/containerd/certs.d/nix_0_/hosts.toml';

interface Case {
  /** What is broken. */
  readonly what: string;
  readonly breaks: (node: DoctorNode) => Promise<unknown>;
  /** All that is found then. */
  readonly finds: readonly string[];
  /** A part of what is said. */
  readonly says?: RegExp;
  /** Only warnings, which are no failure. */
  readonly isHarmless?: true;
  /** How it is mended, where no command of the fix does. */
  readonly mends?: (node: DoctorNode) => Promise<unknown>;
  readonly args?: readonly string[];
  readonly releases?: readonly Release[];
}

const kill = async ({ systemd }: DoctorNode, how: 'stop' | 'kill9') => await systemd.daemon?.[how]();
const without = (file: string) => async (node: DoctorNode) => await node.sh(`rm ${file}`);
const away = (file: string) => ({
  breaks: async (node: DoctorNode) => await node.sh(`mv ${file} ${file}.away`),
  mends: async (node: DoctorNode) => await node.sh(`mv ${file}.away ${file}`),
});
/** A setting of somebody's in a file that is read after setup's. */
const later = (text: string) => ({
  breaks: async ({ rig }: DoctorNode) => await rig.node.writeFile(LATER, text),
  mends: without(LATER),
});
const NEWER: readonly Release[] = ['2.4'];

const CASES: readonly Case[] = [
  { what: 'the daemon is stopped', breaks: async (node) => await kill(node, 'stop'), finds: ['daemon-down'] },
  {
    what: 'the daemon was killed, its socket is stale',
    breaks: async (node) => await kill(node, 'kill9'),
    finds: ['daemon-down'],
    says: /nobody listens/,
    releases: NEWER,
  },
  {
    what: 'the socket is open to all',
    breaks: async (node) => await node.sh(`chmod 777 ${SNAPSHOTTER_SOCKET}`),
    finds: ['socket-mode'],
    releases: NEWER,
  },
  {
    what: 'something else listens there',
    breaks: async () => undefined,
    args: ['--address', '/run/containerd/containerd.sock'],
    finds: ['containerd-proxy-address', 'daemon-foreign'],
    says: /pid \d+, \S*containerd/,
    mends: async () => undefined,
    releases: NEWER,
  },
  {
    what: 'the daemon’s root is open to all',
    breaks: async (node) => await node.sh(`chmod 755 ${ROOT}; chmod 644 ${ROOT}/resolver-token`),
    finds: ['root-mode'],
    says: /io\.containerd\.snapshotter\.v1\.nix has mode 755, .*resolver-token has mode 644/,
    releases: NEWER,
  },
  {
    what: 'the root is that of the Go version',
    breaks: async (node) => await node.sh(`touch ${ROOT}/metadata.db`),
    finds: ['root-go'],
    mends: async (node) => await node.sh(`rm ${ROOT}/metadata.db`),
    releases: NEWER,
  },
  {
    what: 'the daemon’s configuration has a key that is not known',
    breaks: async (node) => await node.sh(`echo 'colour = "red"' >> ${DAEMON_CONFIG}`),
    finds: ['config-unusable'],
    says: /colour/,
    mends: async (node) => await node.sh(`sed -i /colour/d ${DAEMON_CONFIG}`),
    releases: NEWER,
  },
  {
    what: 'containerd is stopped',
    breaks: async ({ rig }) => await rig.containerd.stop(),
    finds: ['containerd-down'],
    mends: async ({ rig }) => await rig.containerd.start(),
  },
  {
    what: 'setup’s drop-in is removed',
    breaks: without('/etc/containerd/conf.d/90-nix-snapshotter.toml'),
    finds: ['containerd-proxy-missing', 'setup-outdated'],
  },
  {
    what: 'the main file does not import it any more',
    breaks: async (node) => await node.sh(`sed -i /imports/d ${MAIN}`),
    finds: ['containerd-proxy-missing', 'setup-outdated'],
  },
  {
    what: 'containerd cannot read a file of its configuration',
    ...later('version = = 2\n'),
    finds: ['containerd-config-unreadable', 'setup-stuck'],
    says: /99-mine\.toml/,
  },
  {
    what: 'pods use another snapshotter',
    ...later(`version = 3\n[plugins.'${CRI_2}']\nsnapshotter = "overlayfs"\n`),
    finds: ['cri-snapshotter'],
    says: /pods use snapshotter overlayfs, not nix/,
    releases: NEWER,
  },
  {
    what: 'a version 2 file says that, on 1.7 with all of CRI',
    ...later(`version = 2\n[plugins."${CRI_1}".containerd]\nsnapshotter = "overlayfs"\n`),
    finds: ['cri-snapshotter', 'setup-outdated'],
    releases: ['1.7'],
  },
  {
    what: 'CRI throws layers away',
    ...later(`version = 3\n[plugins.'${CRI_2}']\ndiscard_unpacked_layers = true\n`),
    finds: ['cri-discard'],
    isHarmless: true,
    releases: NEWER,
  },
  {
    what: 'images are unpacked for others alone',
    ...later(
      `version = 3\n[[plugins.'${TRANSFER}'.unpack_config]]\nplatform = "linux/amd64"\nsnapshotter = "native"\ndiffer = "walking"\n`,
    ),
    finds: ['containerd-unpack', 'setup-outdated'],
    releases: NEWER,
  },
  {
    what: 'the proxy plugin declares what it has not',
    ...later(
      `version = 3\n[proxy_plugins.nix]\ntype = "snapshot"\naddress = "${SNAPSHOTTER_SOCKET}"\ncapabilities = ["rebase"]\nexports = { root = "/elsewhere" }\n`,
    ),
    finds: ['containerd-exports-root', 'containerd-rebase', 'containerd-remap-ids'],
    releases: NEWER,
  },
  {
    what: 'the proxy plugin has another address',
    ...later('version = 3\n[proxy_plugins.nix]\ntype = "snapshot"\naddress = "/run/elsewhere.sock"\n'),
    finds: ['containerd-proxy-address', 'setup-stuck'],
    releases: NEWER,
  },
  {
    what: 'the hosts are not led to the resolver',
    breaks: without(HOSTS),
    finds: ['hosts-missing', 'setup-outdated'],
  },
  {
    what: 'the hosts show another token',
    breaks: async (node) => await node.sh(`sed -i 's/Bearer [0-9a-f]*/Bearer ${'0'.repeat(64)}/' ${HOSTS}`),
    finds: ['hosts-outdated', 'setup-stuck'],
    says: /another token/,
    releases: NEWER,
  },
  {
    what: 'the token can be read by all',
    breaks: async (node) => await node.sh(`chmod 644 ${HOSTS}`),
    finds: ['hosts-mode', 'setup-outdated'],
    releases: NEWER,
  },
  {
    what: 'Nix’s daemon was killed',
    breaks: async (node) => await node.killNix(),
    finds: ['nix-daemon-down'],
    isHarmless: true,
    releases: NEWER,
  },
  {
    what: 'nix-store is missing',
    ...away('/usr/bin/nix-store'),
    finds: ['nix-missing'],
    releases: NEWER,
  },
  {
    what: 'tar is missing',
    ...away('/usr/bin/tar'),
    finds: ['program-missing'],
    releases: NEWER,
  },
  {
    what: 'the cache asks for credentials',
    breaks: async ({ cache }) => await cache.setFaults([{ match: 'nix-cache-info', status: 401 }]),
    finds: ['substituter-refuses'],
    says: /netrc/,
    mends: async ({ cache }) => await cache.setFaults([]),
    releases: NEWER,
  },
  {
    what: 'the cache fails',
    breaks: async ({ cache }) => await cache.setFaults([{ match: 'nix-cache-info', status: 503 }]),
    finds: ['substituter-down'],
    says: /503/,
    mends: async ({ cache }) => await cache.setFaults([]),
    releases: NEWER,
  },
  {
    what: 'nobody’s signatures are trusted',
    breaks: async (node) =>
      await node.sh("sed -i 's/^trusted-public-keys.*/trusted-public-keys =/' /etc/nix/nix.conf"),
    finds: ['substituters-keys'],
    mends: async ({ cache, ...node }) =>
      await node.rig.node.sh(
        `sed -i 's|^trusted-public-keys.*|trusted-public-keys = ${cache.publicKey}|' /etc/nix/nix.conf`,
      ),
    releases: NEWER,
  },
  {
    what: 'no cache is named',
    breaks: async (node) => await node.sh("sed -i 's/^substituters.*/substituters =/' /etc/nix/nix.conf"),
    finds: ['substituters-none'],
    isHarmless: true,
    mends: async ({ cache, ...node }) =>
      await node.rig.node.sh(`sed -i 's|^substituters.*|substituters = ${cache.url}|' /etc/nix/nix.conf`),
    releases: NEWER,
  },
];

for (const row of await matrix(['1.7', '2.4'], ['nerdctl'])) {
  describe(`doctor, on containerd ${row.title}`, { skip: row.skip }, () => {
    let node: DoctorNode;
    before(async () => {
      node = await DoctorNode.up(row);
    });
    after(async () => await node.down());

    const restart = async (unit: string) => {
      await node.sh(`systemctl restart ${unit}.service`);
      await node.settled();
    };

    it('says how to set up a node, and its own commands do it', async () => {
      const found = await node.doctor();
      assert.deepEqual([found.exitCode, found.troubles], [1, ['containerd-proxy-missing', 'daemon-down']]);
      await node.mend(found);
      const set = await node.doctor();
      assert.deepEqual([set.exitCode, set.troubles], [0, []], JSON.stringify(set.findings));
    });

    it('a healthy node has no findings, by text neither', async () => {
      const program = ['nix-snapshotter', 'doctor'];
      const { stdout, exitCode } = await node.rig.node.exec(program, { env: node.rig.env, reject: false });
      assert.equal(exitCode, 0);
      assert.match(stdout, /^(?:ok .*\n)+nothing is wrong here$/);
      const token = (await node.rig.node.readFile(`${ROOT}/resolver-token`)).trim();
      assert.ok(!stdout.includes(token));
    });

    for (const { what, breaks, finds, says, isHarmless, mends, args = [], releases } of CASES) {
      if (releases?.includes(row.release) === false) continue;
      it(`${what}: ${finds.join(', ')}, and the fix mends it`, async () => {
        await breaks(node);
        const found = await node.doctor(...args);
        assert.deepEqual(found.troubles, finds, JSON.stringify(found.findings, undefined, 1));
        assert.equal(found.exitCode, isHarmless === true ? 0 : 1);
        const troubles = found.findings.filter(({ level }) => level !== 'ok');
        for (const { why, fix } of troubles) assert.ok(why !== '' && fix !== '');
        if (says !== undefined)
          assert.match(troubles.map((one) => `${one.what} ${one.fix}`).join('\n'), says);
        await (mends === undefined ? node.mend(found) : mends(node));
      });
    }

    it('what is written for a containerd that runs counts after a restart', async () => {
      await node.sh('nix-snapshotter setup --undo');
      await restart('containerd');
      await node.sh('nix-snapshotter setup --containerd --nerdctl');
      const found = await node.doctor();
      assert.deepEqual(found.troubles, ['containerd-not-restarted']);
      await node.mend(found);
    });

    it('a daemon whose mounts containerd does not see', async () => {
      const unit = '/etc/systemd/system/nix-snapshotter.service';
      const text = await node.rig.node.readFile(unit);
      const apart = text.replace('ExecStart=', 'ExecStart=unshare --mount --propagation private ');
      await node.rig.node.writeFile(unit, apart);
      await restart('nix-snapshotter');
      await node.rig.containerd.nerdctl(['pull', '--quiet', `nix:0${node.greeter}`]);
      await node.rig.containerd.nerdctl(['run', '--net', 'none', `nix:0${node.greeter}`], { reject: false });
      assert.deepEqual((await node.doctor()).troubles, ['mounts-unseen']);
      await node.rig.node.writeFile(unit, text);
      await restart('nix-snapshotter');
    });

    it('and is healthy in the end', async () => {
      const found = await node.doctor();
      assert.deepEqual(found.troubles, [], JSON.stringify(found.findings));
    });
  });
}
