import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { closureOf } from '../../fixtures/packages.ts';
import { enginesBase } from '../../sandbox/engines.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure } from '../support/greeter.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { RESOLVER, RESOLVER_CONFIG } from '../support/resolver-hosts.ts';
import { eventually, Rig } from '../support/rig.ts';

const ABSENT = `${'0'.repeat(32)}-absent`;
const OUT = '/tmp/copied';
/** More than there are layers in an image. */
const MANY = 130;

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

/** A program that counts what it sees of the store; its closure has more paths than an image has layers. */
const manyPaths = (busybox: string) => `
  let
    busybox = builtins.storePath "${busybox}";
    part = i: builtins.toFile "part-\${toString i}" (toString i);
  in derivation {
    name = "many";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    parts = builtins.concatStringsSep "\\n" (builtins.genList part ${MANY});
    script = "#!\${busybox}/bin/sh\\n\${busybox}/bin/ls /nix/store | \${busybox}/bin/wc -l\\n";
    args = [ "-euc" "/bin/mkdir -p $out/bin; echo \\"$parts\\" > $out/parts; echo \\"$script\\" > $out/bin/many; /bin/chmod +x $out/bin/many" ];
  }`;

/** Store paths as ordinary layers. */
export function ordinaryLayersSuite(row: AvailableRow): void {
  describe(`ordinary layers of store paths, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let credentials = '';

    before(async () => {
      rig = await Rig.up({ row, base: await enginesBase(), config: RESOLVER_CONFIG });
      made = await greeterClosure(rig);
      await forget(rig, made);
      credentials = `nix:${(await rig.node.readFile(`${rig.snapshotter.root}/resolver-token`)).trim()}`;
    });
    afterEach(async () => {
      await rig.node.exec(['rm', '-rf', OUT]);
      const names = (await rig.containerd.ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (names.length > 0) await rig.containerd.ctr(['image', 'rm', '--sync', ...names]);
    });
    after(async () => await rig.down());

    const repositoryOf = (path: string) => `${RESOLVER}/layers${path}`;
    const skopeo = async (args: readonly string[], reject = true) => {
      const [verb = '', ...rest] = args;
      const tls = verb === 'copy' ? '--src-tls-verify=false' : '--tls-verify=false';
      const creds = verb === 'copy' ? '--src-creds' : '--creds';
      return await rig.node.exec(['skopeo', verb, tls, creds, credentials, ...rest], { reject });
    };
    const json = async <T>(digest: string) => {
      const file = rig.node.hostPath(`${OUT}/blobs/${digest.replace(':', '/')}`);
      return JSON.parse(await readFile(file, 'utf8')) as T;
    };
    /** The manifest of an image that skopeo has copied to {@link OUT}. */
    const copiedManifest = async () => {
      const index = JSON.parse(await rig.node.readFile(`${OUT}/index.json`)) as { manifests: Descriptor[] };
      const { digest } = index.manifests[0] ?? { digest: '' };
      return { digest, ...(await json<{ config: Descriptor; layers: Descriptor[] }>(digest)) };
    };
    /** Runs an image that was pulled to containerd's overlayfs. */
    const run = async (image: string) => {
      await rig.node.writeFile('/tmp/output', '');
      const flags = ['--rm', '--snapshotter', 'overlayfs', '--log-uri', 'file:///tmp/output'];
      await rig.containerd.ctr(['run', ...flags, image, 'test']);
      return (await rig.node.readFile('/tmp/output')).trimEnd();
    };
    const pull = async (image: string) => {
      const flags = ['--plain-http', '--user', credentials, '--snapshotter', 'overlayfs'];
      await rig.containerd.ctr(['image', 'pull', ...flags, image]);
    };

    it('ctr pulls a path to plain overlayfs and runs it', async () => {
      const image = `${repositoryOf(made.greeter)}:latest`;
      await pull(image);
      assert.equal(await run(image), GREETING);
    });

    it('skopeo inspects and copies a path: every blob is what its digest says', async () => {
      const image = `docker://${repositoryOf(made.greeter)}`;
      const { Digest, Layers } = JSON.parse((await skopeo(['inspect', image])).stdout) as {
        Digest: string;
        Layers: string[];
      };
      await skopeo(['copy', '--preserve-digests', image, `oci:${OUT}`]);
      const { digest, config, layers } = await copiedManifest();
      assert.equal(digest, Digest);
      assert.deepEqual(
        layers.map((layer) => layer.digest),
        Layers,
      );
      assert.equal(layers.length, (await closureOf(rig.node, [made.greeter])).length);
      for (const { digest: blob, size } of [config, ...layers]) {
        const bytes = await readFile(rig.node.hostPath(`${OUT}/blobs/${blob.replace(':', '/')}`));
        assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, blob);
        assert.equal(bytes.length, size);
      }
    });

    it('skopeo says why a path cannot be had', async () => {
      const refused = async (image: string, flags: readonly string[]) => {
        const copy = ['skopeo', 'copy', '--src-tls-verify=false', ...flags];
        const all = [...copy, `docker://${RESOLVER}/layers/${image}`, `oci:${OUT}`];
        const { exitCode, stderr } = await rig.node.exec(all, { reject: false });
        assert.notEqual(exitCode, 0);
        return stderr;
      };
      const login = ['--src-creds', credentials];
      const absent = await refused(ABSENT, login);
      for (const part of [ABSENT, 'HTTP 404', 'push the path']) assert.ok(absent.includes(part), absent);
      const greeter = made.greeter.slice('/nix/store/'.length);
      const other = `sha256:${'0'.repeat(64)}`;
      assert.match(await refused(`${greeter}@${other}`, login), /is not part of this image/);
      assert.match(await refused(greeter, []), /the token of the resolver is missing/);
    });

    it(`a closure of more than ${MANY} paths has a hundred layers, and a container sees all of it`, async () => {
      await rig.node.exec(['nix-store', '--realise', made.busybox]);
      await rig.node.writeFile('/tmp/many.nix', manyPaths(made.busybox));
      const path = (await rig.node.exec(['nix-build', '--no-out-link', '/tmp/many.nix'])).stdout;
      const closure = await closureOf(rig.node, [path]);
      assert.equal(closure.length, MANY + 2);
      await skopeo(['copy', `docker://${repositoryOf(path)}`, `oci:${OUT}`]);
      assert.equal((await copiedManifest()).layers.length, 100);
      const image = `${repositoryOf(path)}:latest`;
      await pull(image);
      assert.equal(await run(image), String(closure.length));
    });

    it('breaks off a layer whose path was changed, says so, and serves what is there now', async () => {
      const added = async () => (await rig.node.exec(['nix-store', '--add', '/tmp/changing'])).stdout;
      await rig.node.writeFile('/tmp/changing/data', 'x'.repeat(100_000));
      const path = await added();
      const image = `docker://${repositoryOf(path)}`;
      const first = (await skopeo(['inspect', '--format', '{{.Digest}}', image])).stdout;
      await rig.node.sh(`chmod u+w ${path}/data; printf y | dd of=${path}/data conv=notrunc 2>&1`);
      const { exitCode, stderr } = await skopeo(['copy', '--retry-times', '0', image, `oci:${OUT}`], false);
      assert.notEqual(exitCode, 0, stderr);
      assert.match(await rig.snapshotter.logs(), /the answer of the resolver was broken off/);
      assert.match(
        await rig.snapshotter.logs(),
        /the layer of [0-9a-z]{32}-changing: blob sha256:\w+ has digest/,
      );
      await eventually(async () => {
        await skopeo(['copy', image, `oci:${OUT}`]);
        assert.notEqual((await copiedManifest()).digest, first);
      });
    });
  });
}
