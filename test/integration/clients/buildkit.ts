import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Buildkit, buildByOciWorker, startBuildkit } from '../support/buildkit.ts';
import { type Footprint, footprint } from '../support/footprint.ts';
import { type GreeterClosure, forget, greeterClosure } from '../support/greeter.ts';
import { ADDED, type InterleavedImage, interleavedImage } from '../support/interleaved.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { startRegistry } from '../support/registry.ts';
import { RESOLVER_CONFIG, useResolver } from '../support/resolver-hosts.ts';
import { Rig, eventually } from '../support/rig.ts';
import { printed } from '../support/printed.ts';

const CONTEXT = '/tmp/context';
const BUILT = 'localhost/built:1';
const GREETED = 'Hello from the Nix store, builder!';

/** BuildKit on Nix images and store paths. */
export function buildkitSuite(row: AvailableRow): void {
  describe(`nerdctl build from Nix images, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let buildkit: Buildkit;
    let interleaved: InterleavedImage;
    let made: GreeterClosure;
    let registry: string;
    let source: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, config: `${RESOLVER_CONFIG}[gc]\ngrace = "1s"\n` });
      await useResolver(rig);
      interleaved = await interleavedImage(rig);
      made = await greeterClosure(rig);
      await rig.cache.add([made.busybox]);
      await forget(rig, made);
      registry = (await startRegistry(rig.node)).address;
      source = `${registry}/interleaved:1`;
      await rig.nix2container(['push', interleaved.layout, source]);
      buildkit = await startBuildkit(rig, registry);
      bare = await footprint(rig);
    });
    after(async () => await rig.down());

    const nerdctl = async (...args: readonly string[]) => await buildkit.nerdctl(args);
    const build = async (dockerfile: readonly string[], ...flags: readonly string[]) => {
      await rig.node.writeFile(`${CONTEXT}/Dockerfile`, `${dockerfile.join('\n')}\n`);
      await rig.node.writeFile(`${CONTEXT}/copied`, 'of the context\n');
      return await buildkit.nerdctl(['build', '--progress', 'plain', ...flags, CONTEXT], { reject: false });
    };
    const built = async (dockerfile: readonly string[], ...flags: readonly string[]) => {
      const { exitCode, stderr } = await build(dockerfile, ...flags);
      assert.equal(exitCode, 0, stderr);
    };
    const run = async (image: string, text: string) => {
      const flags = ['run', '--rm', '--quiet', '--net', 'none', '--pull', 'never'];
      return await printed(async () => await nerdctl(...flags, '--entrypoint', 'sh', image, '-c', text));
    };
    const collect = async () => await rig.node.exec(['nix-store', '--gc']);
    const here = async (path: string) =>
      (await rig.node.exec(['test', '-e', path], { reject: false })).exitCode === 0;
    /** Everything that is built is gone, and the store paths too. */
    const forgetAll = async () => {
      const names = (await rig.containerd.ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (names.length > 0) await rig.containerd.ctr(['image', 'rm', '--sync', ...names]);
      await buildkit.prune();
      await eventually(async () => {
        // containerd collects what BuildKit let go of with the next thing that is removed.
        await rig.containerd.ctr(['content', 'prune', 'references']);
        assert.deepEqual(await footprint(rig), bare);
      });
      await collect();
      assert.equal(await here(interleaved.packages.redis), false);
    };
    const assertBuilt = async (image: string) => {
      const said = await run(image, 'cat /app/added /app/copied /app/greeted; redis-cli --version');
      assert.ok(said.startsWith(`${ADDED}of the context\n${GREETED}\nredis-cli `), said);
    };
    const onInterleaved = () => [
      `FROM ${source}`,
      'COPY copied /app/copied',
      'RUN greet builder > /app/greeted',
      `ENV PATH=${interleaved.packages.redis}/bin:$PATH`,
    ];

    it('FROM an interleaved image: RUN and COPY, the image runs and keeps its closure', async () => {
      await built(onInterleaved(), '--tag', BUILT);
      await collect();
      await assertBuilt(BUILT);
      await buildkit.prune();
      await collect();
      await assertBuilt(BUILT);
    });

    it('BuildKit drops the annotations of layers: the marker file in a layer brings the closure all the same', async () => {
      const pushed = `${registry}/built:1`;
      await nerdctl('tag', BUILT, pushed);
      await nerdctl('push', '--quiet', pushed);
      await forgetAll();
      await nerdctl('pull', '--quiet', pushed);
      const manifest = (await nerdctl('image', 'inspect', '--mode', 'native', pushed)).stdout;
      assert.doesNotMatch(manifest, /snapshot\/nix-/);
      await assertBuilt(pushed);
      await collect();
      await assertBuilt(pushed);
      await forgetAll();
    });

    it('writes an archive, which is loaded and runs', async () => {
      await built(onInterleaved(), '--output', `type=oci,dest=/tmp/built.tar,name=${BUILT}`);
      await forgetAll();
      await nerdctl('load', '--input', '/tmp/built.tar');
      await assertBuilt(BUILT);
      await forgetAll();
    });

    it('FROM a store path', async () => {
      const dockerfile = [
        `FROM nix:0${made.busybox}`,
        'COPY copied /copied',
        'RUN ["sh", "-c", "ls / > /listed"]',
      ];
      await built(dockerfile, '--tag', BUILT);
      assert.equal(await run(BUILT, 'cat /copied; grep -c nix /listed'), 'of the context\n1');
      await forgetAll();
    });

    it('FROM a path that no cache has says why', async () => {
      const absent = `${'0'.repeat(32)}-absent`;
      const { exitCode, stderr } = await build([`FROM nix:0/${absent}`]);
      assert.notEqual(exitCode, 0);
      const text = `/nix/store/${absent} cannot be fetched: no cache has it (${rig.cache.url}: HTTP 404)`;
      assert.ok(stderr.includes(text), stderr);
    });

    // The last: its daemon stays.
    it("BuildKit's own worker, with a daemon of its own, builds on an interleaved image", async () => {
      await rig.node.writeFile(
        `${CONTEXT}/Dockerfile`,
        `FROM ${source}\nRUN greet builder; cat /app/added\n`,
      );
      const said = await buildByOciWorker(rig, registry, CONTEXT);
      assert.ok(said.includes(GREETED) && said.includes(ADDED.trim()), said);
    });
  });
}
