import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { configureNix } from '../fixtures/nix-config.ts';
import type { ExecResult } from '../sandbox/sandbox.ts';
import { runContainer } from './support/container.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure } from './support/greeter.ts';
import { inFull, matrix } from './support/matrix.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig, eventually } from './support/rig.ts';

const ABSENT = `/nix/store/${'0'.repeat(32)}-absent`;
const NAMESPACES = ['default', 'k8s.io'];

for (const row of await matrix(['1.7', '2.4', ...inFull('2.1', '2.3')], ['nerdctl', 'crictl'])) {
  describe(`what a failed pull says, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;

    before(async () => {
      rig = await Rig.up({ row, cri: true, config: config() });
      await useResolver(rig);
      made = await greeterClosure(rig);
    });
    afterEach(async () => {
      await rig.cache.setFaults([]);
      await useResolver(rig);
      await removeImages();
    });
    after(async () => await rig.down());

    const nixConf = async (...lines: readonly string[]) => {
      await configureNix(rig.node, { substituters: [rig.cache], lines: ['download-attempts = 1', ...lines] });
      // A process of Nix's that is kept has read the file as it was.
      await rig.restartSnapshotter();
    };
    const images = async (namespace: string) =>
      (await rig.containerd.ctr(['-n', namespace, 'image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
    const removeImages = async () => {
      for (const namespace of NAMESPACES) {
        const names = await images(namespace);
        if (names.length > 0) await rig.containerd.ctr(['-n', namespace, 'image', 'rm', '--sync', ...names]);
      }
    };
    /** Each client pulls an image, and tells what it printed. */
    const pulls = async function* (path: string) {
      const { containerd } = rig;
      const flags = ['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix'];
      const options = { reject: false };
      const image = `nix:0${path}:latest`;
      const clients: Readonly<Record<string, () => Promise<ExecResult>>> = {
        ctr: async () => await containerd.ctr(['image', 'pull', ...flags, image], options),
        nerdctl: async () => await containerd.nerdctl([...flags, 'pull', image], options),
        crictl: async () => await containerd.crictl(['pull', image], options),
      };
      for (const [client, pull] of Object.entries(clients)) yield { client, ...(await pull()) };
    };
    /** Every client prints one line that has all of this, and no image is left of the pull. */
    const assertEachSays = async (path: string, ...parts: readonly (string | RegExp)[]) => {
      for await (const { client, exitCode, stderr } of pulls(path)) {
        assert.notEqual(exitCode, 0, client);
        const line = stderr.trimEnd().split('\n').at(-1) ?? '';
        for (const part of parts) {
          const there = typeof part === 'string' ? line.includes(part) : part.test(line);
          assert.ok(there, `${client} says nothing of ${String(part)}: ${stderr}`);
        }
      }
      for (const namespace of NAMESPACES) assert.deepEqual(await images(namespace), []);
    };
    const forgotten = async (path = made.greeter) => {
      await eventually(async () => await forget(rig, made));
      return path;
    };

    it('a path that no cache has', async () => {
      await nixConf();
      const asked = `${ABSENT} cannot be fetched: no cache has it (${rig.cache.url}: HTTP 404); push the path to one`;
      await assertEachSays(ABSENT, asked);
      assert.ok((await rig.snapshotter.logs()).includes(asked));
    });

    it('a cache that fails', async () => {
      await nixConf();
      await rig.cache.setFaults([{ match: '', status: 500 }]);
      const path = await forgotten();
      const cause = `${path} cannot be fetched: the cache ${rig.cache.url} is down or fails (HTTP`;
      await assertEachSays(path, cause, /HTTP (error )?500/, 'start it or mend the way to it');
    });

    it('a token that is not ours', async () => {
      await rig.node.sh(`sed -i 's/Bearer [^"]*/Bearer ${'0'.repeat(64)}/' ${HOSTS_DIR}/*/hosts.toml`);
      const cause = 'the token of the resolver is wrong: copy the one in resolver-token';
      await assertEachSays(made.greeter, made.greeter.slice(1), cause, 'hosts.toml');
    });

    it('no token', async () => {
      await rig.node.sh(`sed -i /authorization/d ${HOSTS_DIR}/*/hosts.toml`);
      await assertEachSays(made.greeter, 'authorization failed: no basic auth credentials');
    });

    it('a client that is not told of the resolver', async () => {
      await rig.node.sh(`rm -r ${HOSTS_DIR}/*`);
      await assertEachSays(made.greeter, 'dial tcp: lookup nix');
    });

    it('a daemon that does not run: the address where nobody listens', async () => {
      await rig.snapshotter.stop();
      try {
        await assertEachSays(made.greeter, /dial tcp 127\.0\.0\.1:7373: connect: connection refused/);
      } finally {
        await rig.snapshotter.start();
      }
    });

    it('a name that is none', async () => {
      await assertEachSays('/nix/store/none', 'names no store path; write nix:0/nix/store/<hash>-<name>');
    });

    it('a deadline that has passed; then, when the cache answers, each pulls it', async () => {
      await nixConf();
      const path = await forgotten();
      await rig.cache.setFaults([{ match: '/nar/', delay: 15_000 }]);
      await rig.configure(config('1s'));
      await assertEachSays(
        path,
        new RegExp(
          `${path} is not here yet: in \\d+ s the cache ${rig.cache.url} has sent 0 of .*; pull again, the download goes on`,
        ),
      );
      await rig.cache.setFaults([]);
      await rig.configure(config());
      for await (const { client, exitCode, stderr } of pulls(path)) {
        assert.equal(exitCode, 0, `${client}: ${stderr}`);
      }
      assert.equal((await runContainer(rig, { image: `nix:0${path}:latest`, id: 'test' })).stdout, GREETING);
    });
  });
}

function config(deadline = '1m'): string {
  return `${RESOLVER_CONFIG}deadline = "${deadline}"\n[gc]\ngrace = "1s"\n`;
}
