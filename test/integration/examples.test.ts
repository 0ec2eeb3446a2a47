import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { busyboxArchive } from '../fixtures/images.ts';
import { installRegistryTools, REGISTRY, skopeo, startRegistry } from './nix2container/registry-tools.ts';
import { deleteContainer, runContainer } from './support/container.ts';
import { matrix } from './support/matrix.ts';
import { buildAttributes, describeLibraries, evaluate } from './support/nix-images.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { eventually, Rig } from './support/rig.ts';

const FILE = 'test/nix/examples.nix';
const GREETING = 'Hello, world!';
const IMAGES = [
  'hello',
  'redis',
  'redisWithShell',
  'interleaved',
  'layered',
  'multiArch',
  'system',
  'redisPackage',
] as const;

for (const row of await matrix(['2.3'])) {
  describe(`examples, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let paths: Record<(typeof IMAGES)[number], string>;

    before(async () => {
      rig = await Rig.up({ row, config: RESOLVER_CONFIG });
      await useResolver(rig);
      await installRegistryTools(rig.node);
      await startRegistry(rig.node);
      await describeLibraries(rig.node);
      ({ paths } = await buildAttributes(rig.node, FILE, IMAGES));
    });
    after(async () => await rig.down());

    let runs = 0;
    const run = async (image: string, command: readonly string[] = [], flags: readonly string[] = []) =>
      (await runContainer(rig, { image, id: `example${runs++}`, flags }, command)).stdout;
    const load = async (archive: string, flags: readonly string[] = []) => {
      const { stdout } = await rig.nix2container(['load', ...flags, archive]);
      return stdout.split(': ')[0] ?? '';
    };
    const start = async (image: string, id: string, flags: readonly string[] = []) => {
      const command = ['run', '--detach', '--net-host', '--snapshotter', 'nix'];
      await rig.containerd.ctr([...command, ...flags, image, id]);
    };
    const redisCli = async (...command: readonly string[]) =>
      (await rig.node.exec([`${paths.redisPackage}/bin/redis-cli`, ...command])).stdout;
    /** Where the node has a running container's root file system. */
    const rootOf = (id: string) => `/run/containerd/io.containerd.runtime.v2.task/default/${id}/rootfs`;

    it('hello, and the same for two platforms', async () => {
      assert.equal(await run(await load(paths.hello)), GREETING);
      assert.equal(await run(await load(paths.multiArch)), GREETING);
    });

    it('layered: with and without the snapshotter', async () => {
      assert.equal(await run(await load(paths.layered)), GREETING);
      const image = await load(paths.layered, ['--snapshotter', 'overlayfs']);
      assert.equal(await run(image, [], ['--snapshotter', 'overlayfs']), GREETING);
    });

    it('redis answers, as a user who may write into its working directory', async () => {
      await start(await load(paths.redis), 'redis');
      await eventually(async () => assert.equal(await redisCli('ping'), 'PONG'));
      assert.equal(await redisCli('save'), 'OK');
      const { stdout } = await rig.node.exec(['stat', '-c', '%u:%g', `${rootOf('redis')}/data/dump.rdb`]);
      assert.equal(stdout, '999:999');
      await deleteContainer(rig, 'redis');
    });

    it('redis with a shell, on the image of redis', async () => {
      const image = await load(paths.redisWithShell);
      const output = await run(image, [
        '/bin/sh',
        '-c',
        'redis-server --version; stat -c %u:%g /data; pwd; id -u',
      ]);
      assert.match(output, /^Redis server v=\S+ .*\n999:999\n\/data\n999$/);
    });

    it('interleaved: every layer is there, in the right order', async () => {
      await start(await load(paths.interleaved), 'interleaved');
      await eventually(async () => assert.equal(await redisCli('ping'), 'PONG'));
      assert.equal(await redisCli('config', 'get', 'dir'), 'dir\n/data');
      const root = rootOf('interleaved');
      assert.match(await rig.node.readFile(`${root}/etc/passwd`), /^redis:x:999/m);
      const { stdout } = await rig.node.exec(['stat', '-c', '%u %F', `${root}/data`, `${root}/bin/cat`]);
      assert.equal(stdout, '999 directory\n0 symbolic link');
      const info = JSON.parse((await rig.containerd.ctr(['container', 'info', 'interleaved'])).stdout) as {
        readonly Spec: { readonly process: { readonly user: unknown; readonly env: readonly string[] } };
      };
      assert.deepEqual(info.Spec.process.user, { uid: 999, gid: 999, additionalGids: [999] });
      assert.ok(info.Spec.process.env.includes('TZ=UTC'));
      await deleteContainer(rig, 'interleaved');
    });

    it('on an ordinary image of a registry', async () => {
      const archive = await busyboxArchive(rig.node);
      const digestFile = '/tmp/digest';
      await skopeo(rig.node, [
        'copy',
        '--quiet',
        '--dest-tls-verify=false',
        '--digestfile',
        digestFile,
        `oci-archive:${archive}`,
        `docker://${REGISTRY}/base:1`,
      ]);
      const digest = (await rig.node.readFile(digestFile)).trim();
      const pulled = '/tmp/base.tar';
      await skopeo(rig.node, [
        'copy',
        '--quiet',
        '--src-tls-verify=false',
        `docker://${REGISTRY}/base@${digest}`,
        `docker-archive:${pulled}:base:latest`,
      ]);
      const { stdout: hash } = await rig.node.exec([
        'nix-hash',
        '--flat',
        '--type',
        'sha256',
        '--sri',
        pulled,
      ]);
      const built = await buildAttributes(rig.node, FILE, ['fromRegistry'], { digest, hash });
      const image = await load(built.paths.fromRegistry);
      assert.equal(await run(image), GREETING);
      assert.match(await run(image, ['/bin/cat', '/etc/passwd']), /^alice:/m);
    });

    it('a system with an init of its own: services run, a stop ends them', async () => {
      await start(await load(paths.system), 'system', ['--cap-add', 'CAP_SYS_BOOT']);
      const log = `${rootOf('system')}/var/log/tick`;
      await eventually(async () => assert.match(await rig.node.readFile(log), /tick\n.*tick\n/));
      await rig.containerd.ctr(['task', 'kill', '--signal', 'SIGUSR1', 'system']);
      await eventually(async () => {
        assert.match((await rig.containerd.ctr(['task', 'ls'])).stdout, /^system +\d+ +STOPPED/m);
      });
      await deleteContainer(rig, 'system');
    });

    it('Kubernetes resources carry a reference that containerd pulls', async () => {
      const built = await buildAttributes(rig.node, FILE, ['manifest']);
      const pod = JSON.parse(await rig.node.readFile(built.paths.manifest)) as {
        readonly spec: { readonly containers: readonly [{ readonly image: string }] };
      };
      const [{ image }] = pod.spec.containers;
      const pull = ['image', 'pull', '--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix', `${image}:latest`];
      await rig.containerd.ctr(pull);
      const { stdout } = await rig.node.exec(['nix-store', '--query', '--requisites', built.paths.manifest]);
      assert.ok(stdout.split('\n').includes(paths.redisPackage), 'what is copied has what the image names');
      assert.equal(await evaluate(rig.node, FILE, 'nixos.image'), 'localhost:5000/nixos:latest');
      for (const attribute of ['kubenix', 'easykubenix']) {
        const container = (await evaluate(rig.node, FILE, attribute)) as { readonly image: string };
        assert.equal(container.image, 'localhost:5000/redis:latest', attribute);
      }
    });
  });
}
