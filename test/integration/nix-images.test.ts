import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { deletePaths } from '../fixtures/packages.ts';
import { installRegistryTools, REGISTRY, startRegistry } from './nix2container/registry-tools.ts';
import { runContainer } from './support/container.ts';
import { inFull, matrix } from './support/matrix.ts';
import { buildAttributes, evaluate, failure, rebuild } from './support/nix-images.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig } from './support/rig.ts';

const FILE = 'test/nix/images.nix';
const GREETING = 'Hello, world!';
const BUILT = [
  'hello',
  'helloToContainerd',
  'helloToRegistry',
  'helloToOtherName',
  'owners',
  'fakeRoot',
  'onJson',
  'contents',
  'volumes',
  'multiArch',
  'foreignHello',
] as const;

for (const row of await matrix(['1.7', ...inFull('2.3')])) {
  describe(`images of the Nix functions, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let paths: Record<(typeof BUILT)[number], string>;
    let said: string;

    const run = async (image: string, command: readonly string[] = [], flags: readonly string[] = []) => {
      const id = `c${Math.random().toString(36).slice(2)}`;
      return (await runContainer(rig, { image, id, flags }, command)).stdout;
    };
    const pull = async (image: string, flags: readonly string[] = ['--plain-http']) =>
      await rig.containerd.ctr(['image', 'pull', '--snapshotter', 'nix', ...flags, image]);
    const load = async (archive: string) => {
      const { stdout } = await rig.nix2container(['load', archive]);
      return stdout.split(': ')[0] ?? '';
    };

    before(async () => {
      rig = await Rig.up({ row, config: RESOLVER_CONFIG });
      await useResolver(rig);
      await installRegistryTools(rig.node);
      await startRegistry(rig.node);
      ({ paths, said } = await buildAttributes(rig.node, FILE, BUILT));
    });
    after(async () => await rig.down());

    it('copyToContainerd loads into the containerd and namespace that it names', async () => {
      const env = { CONTAINERD_DIRECTORY: '/run/containerd' };
      const { stdout } = await rig.node.exec([`${paths.helloToContainerd}/bin/copy-to-containerd`], { env });
      const image = `${REGISTRY}/team/hello:v1`;
      assert.ok(stdout.startsWith(`${image}: sha256:`), stdout);
      const started = await runContainer(rig, { image, id: 'loaded', namespace: 'other' });
      assert.equal(started.stdout, GREETING);
      assert.equal((await rig.containerd.ctr(['image', 'ls', '-q'])).stdout, '');
    });

    it('copyToRegistry pushes by the name of the image, or by another one', async () => {
      for (const [script, image] of [
        [paths.helloToRegistry, `${REGISTRY}/team/hello:v1`],
        [paths.helloToOtherName, `${REGISTRY}/other:v2`],
      ] as const) {
        await rig.node.exec([`${script}/bin/copy-to-registry`]);
        await pull(image);
        assert.equal(await run(image), GREETING, image);
      }
    });

    it('perms and fakeRootCommands give owners and modes; what a fake root mentions is in the closure', async () => {
      const image = await load(paths.owners);
      const files = '/home/app/profile /data/key /etc/greeting';
      const text = `stat -c '%n %F %a %u:%g' ${files}; cat /data/greeting; echo; /data/hello/bin/hello`;
      assert.deepEqual((await run(image, ['sh', '-c', text])).split('\n'), [
        '/home/app/profile regular file 700 1000:1000',
        '/data/key regular file 640 999:998',
        '/etc/greeting symbolic link 777 0:0',
        'linked',
        GREETING,
      ]);
      const closure = await rig.node.exec(['nix-store', '--query', '--requisites', paths.owners]);
      assert.doesNotMatch(closure.stdout, /fake-root\.tar$/m);
      const { stderr } = await failure(rig.node, FILE, 'removes');
      assert.match(
        stderr,
        /fakeRootCommands removes what copyToRoot has; leave it out there: \.\/etc\/greeting/,
      );
    });

    it("on an image of nlewo's nix2container: its store paths are there, and its config", async () => {
      assert.equal(await run(await load(paths.onJson)), GREETING);
    });

    it('contents takes the first of two files, copyToRoot refuses them', async () => {
      assert.equal(await run(await load(paths.contents)), 'first');
      const { exitCode, stderr } = await failure(rig.node, FILE, 'conflict');
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /\/etc\/greeting in the image is claimed by .*-greeting and by .*-greeting/);
    });

    it('of several platforms the node takes its own, and never realises the paths of another', async () => {
      const archive = `${REGISTRY}/multi-arch:latest`;
      const pushed = await rig.nix2container(['push', paths.multiArch]);
      assert.match(pushed.stdout, /^127\.0\.0\.1:5000\/multi-arch:latest: sha256:/);
      await deletePaths(rig.node, [paths.foreignHello]);
      await pull(archive);
      assert.equal(await run(archive), GREETING);
      const { exitCode } = await rig.node.exec(['test', '-e', paths.foreignHello], { reject: false });
      assert.equal(exitCode, 1, `${paths.foreignHello} is back`);
      const list = (await rig.containerd.ctr(['image', 'ls', `name==${archive}`])).stdout;
      assert.match(list, /linux\/amd64,linux\/arm64/);
    });

    it('resolvedByNix: the reference is the path of the archive, and needs no registry', async () => {
      const names = ['resolved', 'resolvedMultiArch'] as const;
      const { paths: archives } = await buildAttributes(rig.node, FILE, names);
      for (const name of names) {
        const reference = await evaluate(rig.node, FILE, `${name}.image`);
        assert.equal(reference, `nix:0${archives[name]}`);
        await pull(`${reference}:latest`, ['--hosts-dir', HOSTS_DIR]);
        assert.equal(await run(`${reference}:latest`), GREETING, name);
      }
      assert.equal(await evaluate(rig.node, FILE, 'hello.image'), `${REGISTRY}/team/hello:v1`);
    });

    it('the same arguments give the same bytes', async () => {
      await rebuild(rig.node, FILE, ['owners', 'fakeRoot']);
    });

    it('what is unknown or unwise is told before anything is built', async () => {
      assert.match(said, /evaluation warning: buildImage volumes: volumes are declared \(\/data\)/);
      for (const [name, words] of [
        ['unknownArgument', /unexpected argument 'conifg'/],
        ['unknownPlatform', /no container platform is known for mips-linux: pass platform/],
      ] as const) {
        const { exitCode, stderr } = await failure(rig.node, FILE, name, 'nix-instantiate');
        assert.notEqual(exitCode, 0, name);
        assert.match(stderr, words);
      }
      const { stderr } = await failure(rig.node, FILE, 'twice');
      assert.match(stderr, /both for linux\//);
    });
  });
}
