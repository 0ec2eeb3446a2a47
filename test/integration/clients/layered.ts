import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import { busyboxEntries } from '../../fixtures/images.ts';
import { ociArchive } from '../../fixtures/oci-archive.ts';
import { enginesBase } from '../../sandbox/engines.ts';
import { runContainer } from '../support/container.ts';
import { type Footprint, footprint } from '../support/footprint.ts';
import {
  assertShown,
  forget,
  type GreeterClosure,
  GREETING,
  greeterClosure,
  ownImage,
} from '../support/greeter.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { OciLayout } from '../support/oci-layout.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { eventually, Rig } from '../support/rig.ts';

const LOCAL = 'localhost/layered:1';
const PLAIN = 'localhost/plain:1';
const FORGED = 'localhost/forged:1';
const ARCHIVE = '/tmp/images/layered.tar';

/** Images whose layers hold their store paths, for every client. */
export function layeredSuite(row: AvailableRow): void {
  const hasEngines = row.suite === 'trixie';
  describe(`an image whose layers hold store paths, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let registry: Registry;
    let remote = '';
    let layout: OciLayout;
    let bare: Footprint;

    before(async () => {
      const base = hasEngines ? { base: await enginesBase() } : {};
      rig = await Rig.up({ row, config: '[gc]\ngrace = "1s"\n', ...base });
      made = await greeterClosure(rig);
      await rig.node.exec(['mv', await ownImage(rig, made, LOCAL, ['--layered']), ARCHIVE]);
      registry = await startRegistry(rig.node);
      remote = `${registry.address}/layered:1`;
      await rig.nix2container(['push', ARCHIVE, remote]);
      await rig.node.sh(`mkdir /tmp/layout; tar -xf ${ARCHIVE} -C /tmp/layout`);
      layout = new OciLayout({ dir: rig.node.hostPath('/tmp/layout') });
      bare = await footprint(rig);
    });
    afterEach(async () => {
      const names = (await rig.containerd.ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (names.length > 0) await rig.containerd.ctr(['image', 'rm', '--sync', ...names]);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    });
    after(async () => await rig.down());

    /** Bytes of blobs that the registry hands out while `work` goes on, by digest. */
    const downloaded = async (t: TestContext, what: string, work: () => Promise<unknown>) => {
      const seen = (await registry.process.logs()).length;
      await work();
      const bytes = new Map<string, number>();
      const answers = (await registry.process.logs()).slice(seen);
      for (const [, digest = '', size = ''] of answers.matchAll(BLOB_SENT))
        bytes.set(digest, (bytes.get(digest) ?? 0) + Number(size));
      const total = [...bytes.values()].reduce((sum, size) => sum + size, 0);
      t.diagnostic(`containerd ${row.title}: ${what}: ${total} bytes of ${bytes.size} blobs`);
      return bytes;
    };
    const nerdctl = async (...args: readonly string[]) =>
      await rig.containerd.nerdctl(['--insecure-registry', '--snapshotter', 'nix', ...args]);
    /** `ctr` of 1.7 fetches all blobs before it unpacks one. */
    const pull = async () => await nerdctl('pull', '--quiet', remote);
    /** Digests of the layers that hold store paths. */
    const storeLayers = async () => {
      const { layers } = await layout.manifest();
      const held = layers.filter(({ annotations }) => annotations?.[PATHS] !== undefined);
      assert.equal(held.length, made.closure.length);
      return held;
    };

    it('is run without one of them being fetched, and is shown by one view', async (t) => {
      await forget(rig, made);
      const bytes = await downloaded(t, 'our snapshotter', pull);
      for (const { digest } of await storeLayers()) assert.equal(bytes.has(digest), false, digest);
      assert.equal((await runContainer(rig, { image: remote, id: 'greeting' })).stdout, GREETING);
      await assertShown(rig, made, remote);
      await eventually(async () => {
        const left = await footprint(rig);
        const shown = JSON.stringify(left, undefined, 2);
        assert.equal(left.views.length, 1, shown);
        assert.equal(left.directories.length, (await layout.manifest()).layers.length, shown);
      });
      // Whoever needs the bytes is told which are missing, and can fetch them.
      const save = ['image', 'export', '/tmp/images/exported.tar', remote];
      const { exitCode, stderr } = await rig.containerd.ctr(save, { reject: false });
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /sha256:[0-9a-f]{64}.*not found/);
      await rig.containerd.ctr(['content', 'fetch', '--plain-http', remote]);
      await rig.containerd.ctr(save);
      await rig.containerd.ctr(['image', 'push', '--plain-http', `${registry.address}/again:1`, remote]);
    });

    it('is an ordinary image for overlayfs', async (t) => {
      await downloaded(t, 'overlayfs', () =>
        rig.containerd.ctr(['image', 'pull', '--plain-http', '--snapshotter', 'overlayfs', remote]),
      );
      await rig.node.writeFile('/tmp/output', '');
      const flags = ['--rm', '--snapshotter', 'overlayfs', '--log-uri', 'file:///tmp/output'];
      await rig.containerd.ctr(['run', ...flags, remote, 'test']);
      assert.equal((await rig.node.readFile('/tmp/output')).trimEnd(), GREETING);
    });

    if (hasEngines) {
      it('is an ordinary image for podman', async (t) => {
        const flags = ['--rm', '--quiet', '--tls-verify=false', '--network', 'none'];
        const run = ['podman', 'run', ...flags, `docker://${remote}`];
        await downloaded(t, 'podman', async () => {
          const env = { PODMAN_IGNORE_CGROUPSV1_WARNING: '1' };
          assert.equal((await rig.node.exec(run, { env })).stdout, GREETING);
          await rig.node.exec(['podman', 'rmi', '--all', '--force'], { env });
        });
      });
    }

    it('shares snapshots with an image that has the same layers without annotations, whichever comes first', async () => {
      const plain = await ownImage(rig, made, PLAIN, ['--layered', '--format', 'docker-archive']);
      for (const { archives, last } of [
        { archives: [ARCHIVE, plain], last: PLAIN },
        { archives: [plain, ARCHIVE], last: LOCAL },
      ]) {
        for (const archive of archives) await rig.nix2container(['load', archive]);
        const { directories } = await footprint(rig);
        assert.equal(directories.length, (await layout.manifest()).layers.length);
        await assertShown(rig, made, last);
        await rig.containerd.ctr(['image', 'rm', '--sync', LOCAL, PLAIN]);
        await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      }
    });

    it('is unpacked when it is not what its annotations say', async () => {
      const [held] = await storeLayers();
      const layers = [{ entries: await busyboxEntries(rig.node), annotations: held?.annotations ?? {} }];
      await rig.node.writeFile('/tmp/images/forged.tar', await ociArchive({ name: FORGED, layers }));
      await rig.nix2container(['load', '/tmp/images/forged.tar']);
      const command = ['/bin/busybox', 'ls', '/'];
      const { stdout } = await runContainer(rig, { image: FORGED, id: 'forged' }, command);
      const names = stdout.split('\n');
      assert.ok(names.includes('bin') && !names.includes('nix'), stdout);
      assert.match(await rig.snapshotter.logs(), /not what its annotations say/);
    });

    it('is unpacked as any other where Nix cannot get its paths', async (t) => {
      await forget(rig, made);
      await rig.cache.setFaults([{ match: '.narinfo', status: 404 }]);
      const bytes = await downloaded(t, 'our snapshotter, without a cache', pull);
      for (const { digest, size } of await storeLayers()) assert.equal(bytes.get(digest), size, digest);
      assert.equal((await runContainer(rig, { image: remote, id: 'unpacked' })).stdout, GREETING);
      await assertShown(rig, made, remote);
      assert.match(await rig.snapshotter.logs(), /unpacked as any other/);
    });
  });
}

const PATHS = 'containerd.io/snapshot/nix-layered-paths';
/** What the registry logs of a blob that it has sent: its digest, and how many bytes went out. */
const BLOB_SENT = /"GET \S+\/blobs\/(sha256:[0-9a-f]{64})\S* HTTP\/1\.1" 20\d (\d+)/g;
