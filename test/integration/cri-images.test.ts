import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { CriImage } from '../../proto/gen/messages.ts';
import { StatusError } from '../../src/errors.ts';
import { buildPackages, deletePaths } from '../fixtures/packages.ts';
import { PAUSE_IMAGE } from '../sandbox/containerd-config.ts';
import { Cri, IMAGE_SERVICE_CONFIG } from './support/cri.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { type GreeterClosure, forget, greeterClosure, ownImage } from './support/greeter.ts';
import { inFull, matrix } from './support/matrix.ts';
import { importPause, runPod } from './support/pod.ts';
import { LOGIN, startRegistry } from './support/registry.ts';
import { Rig, eventually } from './support/rig.ts';

const ABSENT = `nix:0/${'0'.repeat(32)}-absent`;
const WARM_PULLS = 20;

for (const row of await matrix(['1.7', '2.4', ...inFull('2.1', '2.2', '2.3')], ['crictl'])) {
  describe(`CRI image service on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let cri: Cri;
    let made: GreeterClosure;
    let greeter: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, cri: true, config: `${IMAGE_SERVICE_CONFIG}[gc]\ngrace = "1s"\n` });
      cri = await Cri.of(rig);
      await importPause(rig);
      made = await greeterClosure(rig);
      greeter = `nix:0${made.greeter}:latest`;
      await forget(rig, made);
      bare = await footprint(rig);
    });
    afterEach(async () => {
      for (const { id, repo_tags } of (await cri.images.ListImages({})).images) {
        if (!repo_tags.includes(PAUSE_IMAGE)) await cri.remove(id);
      }
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    });
    after(async () => {
      cri?.[Symbol.dispose]();
      await rig.down();
    });

    /** The store has nothing of the closure. */
    const unfetch = async () => {
      await rig.node.exec(['nix-store', '--realise', made.closureInfo]);
      await forget(rig, made);
    };
    const statusOf = async (image: string) => (await cri.images.ImageStatus({ image: { image } })).image;

    it('pulls a store path that a cache has; CRI shows it as its own, and a pod runs it', async () => {
      const image = `nix:0${made.busybox}:latest`;
      const id = await cri.pull(image);
      assert.match(id, /^sha256:[0-9a-f]{64}$/);
      const shown = (await cri.containerd.ImageStatus({ image: { image } })).image;
      assert.equal(shown?.id, id);
      assert.deepEqual(shown?.repo_tags, [image]);
      assert.equal(shown?.repo_digests.length, 1);
      assert.equal(shown?.pinned, false);
      const names = (await rig.containerd.ctr(['-n', 'k8s.io', 'image', 'ls', 'name==' + id])).stdout;
      assert.match(names, /io\.cri-containerd\.image=managed/);
      await using pod = await runPod(rig, image);
      assert.equal(await pod.exec(['echo', 'ready']), 'ready');
    });

    it('passes on what containerd answers', async () => {
      await cri.pull(greeter);
      const { images, containerd } = cri;
      assert.deepEqual(await listed(images), await listed(containerd));
      const verbose = { image: { image: greeter }, verbose: true };
      assert.deepEqual(await images.ImageStatus(verbose), await containerd.ImageStatus(verbose));
      const [ours] = (await images.ImageFsInfo({})).image_filesystems;
      assert.equal(ours?.fs_id?.mountpoint, rig.snapshotter.root);
      assert.deepEqual(await streamed(images), await streamed(containerd));
      const filter = { image: { image: greeter } };
      assert.deepEqual(await listed(images, filter), await listed(containerd, filter));
    });

    it('crictl lists, pulls and removes images there; none is pinned', async () => {
      const crictl = async (...args: readonly string[]) =>
        await rig.containerd.crictl(['--image-endpoint', `unix://${rig.snapshotter.socket}`, ...args]);
      const { stdout } = await crictl('pull', greeter);
      const { images } = JSON.parse((await crictl('images', '-o', 'json')).stdout) as {
        images: { id: string; repoTags: string[]; pinned: boolean }[];
      };
      const found = images.find(({ repoTags }) => repoTags.includes(greeter));
      assert.equal(found?.pinned, false);
      assert.ok(stdout.includes(found?.id ?? 'no id'), stdout);
      await crictl('rmi', greeter);
      assert.equal(await statusOf(greeter), null);
    });

    it('pulls again what was removed, and gives the same id', async () => {
      const first = await cri.pull(greeter);
      await cri.remove(greeter);
      assert.equal(await statusOf(greeter), null);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      assert.equal(await cri.pull(greeter), first);
    });

    it('answers for an image that is there without Nix and without a cache', async (t) => {
      const id = await cri.pull(greeter);
      const requests = (await rig.cache.requests()).length;
      const times: number[] = [];
      for (let i = 0; i < WARM_PULLS; i += 1) {
        const start = performance.now();
        assert.equal(await cri.pull(greeter), id);
        times.push(performance.now() - start);
      }
      assert.equal((await rig.cache.requests()).length, requests);
      const [fastest, median] = [0, WARM_PULLS / 2].map((at) => times.toSorted((a, b) => a - b)[at] ?? 0);
      t.diagnostic(
        `a pull of what is there: ${median?.toFixed(1)} ms (median), ${fastest?.toFixed(1)} ms (least)`,
      );
    });

    it('brings back store paths that somebody deleted from under an image that is there', async () => {
      const id = await cri.pull(greeter);
      await rig.node.sh(`rm -f ${rig.snapshotter.root}/gcroots/* ${rig.snapshotter.root}/pulled/*`);
      await deletePaths(rig.node, [made.greeter]);
      assert.equal(await cri.pull(greeter), id);
      await rig.node.exec(['nix-store', '--check-validity', made.greeter]);
    });

    it('verifies a digest', async () => {
      await cri.pull(greeter);
      const [byDigest = ''] = (await statusOf(greeter))?.repo_digests ?? [];
      const id = (await statusOf(greeter))?.id;
      await cri.remove(greeter);
      assert.equal(await cri.pull(byDigest), id);
      assert.deepEqual((await statusOf(byDigest))?.repo_digests, [byDigest]);
      const other = `${byDigest.split('@', 1)[0]}@sha256:${'0'.repeat(64)}`;
      await assert.rejects(cri.pull(other), {
        code: 'NotFound',
        message: new RegExp(`@sha256:0{64}: this is no manifest of the image, whose digest is sha256:`),
      });
    });

    it('says why a path cannot be had', async () => {
      await assert.rejects(cri.pull(ABSENT), (error: StatusError) => {
        assert.equal(error.code, 'FailedPrecondition');
        for (const part of [ABSENT.slice(6), 'HTTP 404', 'push the path']) {
          assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`);
        }
        return true;
      });
      await assert.rejects(cri.pull('nix:0/hello'), {
        code: 'InvalidArgument',
        message: /names no store path/,
      });
    });

    it('realises once for a caller that gives up ten times, each time after a second, and its last try', async () => {
      await unfetch();
      const earlier = (await rig.downloads()).length;
      await rig.cache.setFaults([{ match: '/nar/', hold: true }]);
      const image = { image: greeter };
      for (let tries = 0; tries < 5; tries += 1) {
        await assert.rejects(cri.images.PullImage({ image }, { timeoutMs: 1000 }), {
          code: 'DeadlineExceeded',
        });
        await assert.rejects(cri.images.PullImage({ image }, { signal: AbortSignal.timeout(1000) }), {
          code: 'Cancelled',
        });
      }
      await rig.cache.setFaults([]);
      await cri.pull(greeter);
      const fetched = (await rig.downloads()).slice(earlier);
      assert.ok(fetched.length > 0);
      assert.equal(new Set(fetched).size, fetched.length);
    });

    it('answers many pulls of one image at a time alike', async () => {
      const ids = await Promise.all(Array.from({ length: 20 }, async () => await cri.pull(greeter)));
      assert.deepEqual([...new Set(ids)], [(await statusOf(greeter))?.id]);
    });

    it('takes a docker archive that lies in the store', async () => {
      await rig.node.exec(['nix-store', '--realise', made.closureInfo]);
      const written = await ownImage(rig, made, 'localhost/own:1', ['--format', 'docker-archive']);
      await rig.node.sh(`gzip < ${written} > /tmp/images/docker.tar.gz`);
      const { stdout } = await rig.node.exec(['nix-store', '--add', '/tmp/images/docker.tar.gz']);
      const image = `nix.local${stdout}:latest`;
      const id = await cri.pull(image);
      await using pod = await cri.pod();
      await pod.create(id);
      await pod.create(image);
    });

    it('takes a name with upper case as a tag', async () => {
      const { upper } = await buildPackages(rig.node, ['upper']);
      const image = `nix:0/${upper.slice(11, 43)}:${upper.slice(44)}`;
      const id = await cri.pull(image);
      assert.deepEqual((await statusOf(id))?.repo_tags, [image]);
    });

    it('realises what an image of a registry names before containerd pulls it, with the login of the request', async () => {
      const registry = await startRegistry(rig.node, { login: true });
      const image = `${registry.address}/greeter:1`;
      await rig.node.exec(['nix-store', '--realise', made.closureInfo]);
      const archive = await ownImage(rig, made, image);
      const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64');
      const logins = JSON.stringify({ auths: { [registry.address]: { auth } } });
      await rig.node.writeFile('/root/.docker/config.json', logins);
      await rig.nix2container(['push', archive, image]);
      await forget(rig, made);
      const unread = async () =>
        (await rig.snapshotter.logs()).split('the manifest cannot be read ahead').length - 1;
      const { image_ref } = await cri.images.PullImage({ image: { image }, auth: LOGIN });
      assert.equal(image_ref, (await statusOf(image))?.id);
      assert.equal(await unread(), 0);
      await cri.remove(image);
      const wrong = cri.images.PullImage({ image: { image }, auth: { ...LOGIN, password: 'wrong' } });
      await assert.rejects(wrong, /401|nauthorized|authorization/);
      assert.equal(await unread(), 1);
      await registry.process.stop();
    });

    it('says that containerd is away, and goes on when it is back', async () => {
      const away = { code: 'Unavailable', message: /containerd at \/run\/containerd\/containerd\.sock: / };
      await rig.containerd.stop();
      for (const call of [cri.images.ListImages({}), streamed(cri.images), cri.pull(greeter)])
        await assert.rejects(call, away);
      // A daemon that has never seen it says the same.
      await rig.snapshotter.restart();
      await eventually(async () => await assert.rejects(cri.images.ListImages({}), away));
      await assert.rejects(cri.pull(greeter), away);
      await rig.containerd.start();
      const id = await eventually(async () => await cri.pull(greeter));
      await rig.containerd.restart();
      assert.equal(await eventually(async () => await cri.pull(greeter)), id);
    });
  });
}

/** All images, in an order: containerd has none. */
async function listed({ ListImages }: Cri['images'], filter: object | null = null): Promise<unknown> {
  return inOrder((await ListImages({ filter })).images);
}

function inOrder(images: readonly CriImage[]): readonly CriImage[] {
  return images.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** All images by StreamImages; that containerd has none of it counts as an answer. */
async function streamed({ StreamImages }: Cri['images']): Promise<unknown> {
  const images: CriImage[] = [];
  try {
    for await (const { images: some } of StreamImages({})) images.push(...some);
    return inOrder(images);
  } catch (error) {
    if (error instanceof StatusError && error.code === 'Unimplemented') return error.message;
    throw error;
  }
}
