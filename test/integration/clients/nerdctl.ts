import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BUSYBOX_IMAGE, busyboxArchive } from '../../fixtures/images.ts';
import type { ExecResult } from '../../sandbox/sandbox.ts';
import { type Footprint, footprint } from '../support/footprint.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure } from '../support/greeter.ts';
import { ADDED, type InterleavedImage, interleavedImage } from '../support/interleaved.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { startRegistry } from '../support/registry.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from '../support/resolver-hosts.ts';
import { Rig, eventually } from '../support/rig.ts';
import { printed } from '../support/printed.ts';

const INTERLEAVED = 'localhost/interleaved:1';
const COMMITTED = 'localhost/committed:1';
const PROJECT = '/tmp/project/compose.yaml';
/** Says a word, goes on until SIGTERM, and ends with 3. */
const SERVICE = 'echo started; trap "echo told; exit 3" TERM; while :; do sleep 0.1; done';

/** What nerdctl does with Nix images. */
export function nerdctlSuite(row: AvailableRow): void {
  describe(`nerdctl with Nix images, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let interleaved: InterleavedImage;
    let made: GreeterClosure;
    /** A plain store path with a shell. */
    let image: string;
    let registry: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, config: `${RESOLVER_CONFIG}[gc]\ngrace = "1s"\n` });
      await useResolver(rig);
      interleaved = await interleavedImage(rig);
      made = await greeterClosure(rig);
      await forget(rig, made);
      image = `nix:0${made.busybox}`;
      registry = (await startRegistry(rig.node)).address;
      bare = await footprint(rig);
    });
    after(async () => await rig.down());

    const nerdctl = async (...args: readonly string[]): Promise<ExecResult> =>
      await rig.containerd.nerdctl(['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix', ...args]);
    /** What a container of its own prints. */
    const run = async (...args: readonly string[]): Promise<string> =>
      await printed(async () => await nerdctl('run', '--rm', '--quiet', '--net', 'none', ...args));
    /** A container that goes on, or has ended, until it is disposed of. */
    const detached = async (name: string, ...args: readonly string[]): Promise<AsyncDisposable> => {
      await nerdctl('run', '--detach', '--quiet', '--net', 'none', '--name', name, ...args);
      return { [Symbol.asyncDispose]: async () => void (await nerdctl('rm', '--force', name)) };
    };
    const inspect = async (name: string, format: string) =>
      (await nerdctl('inspect', '--format', format, name)).stdout;
    const logs = async (name: string, text: string) =>
      await eventually(async () => assert.equal((await nerdctl('logs', name)).stdout, text));
    const here = async (path: string) =>
      (await rig.node.exec(['test', '-e', path, '-o', '-L', path], { reject: false })).exitCode === 0;
    const collect = async () => await rig.node.exec(['nix-store', '--gc']);
    const removed = async (...names: readonly string[]) => {
      await nerdctl('rmi', '--force', ...names);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    };

    it('run: volume, environment, user, directory, read-only, memory', async () => {
      await rig.node.writeFile('/tmp/volume/file', 'of the host\n');
      const flags = ['--volume', '/tmp/volume:/data', '--env', 'WORD=hello', '--user', '1000:1001'];
      const limits = ['--workdir', '/data', '--read-only', '--memory', '64m', '--name', 'flags'];
      const memory =
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null || true';
      const text = `cat file; echo $WORD; id; pwd; touch /new || echo read-only; ${memory}`;
      const said = await run(...flags, ...limits, image, 'sh', '-c', text);
      assert.deepEqual(said.split('\n'), [
        'of the host',
        'hello',
        'uid=1000 gid=1001 groups=1001',
        '/data',
        'read-only',
        String(64 * 1024 * 1024),
      ]);
    });

    it('run: another entrypoint, by path and by a name in PATH', async () => {
      assert.equal(await run('--entrypoint', `${made.busybox}/bin/echo`, image, 'hi'), 'hi');
      assert.equal(await run('--entrypoint', 'ls', image, '-d', '/nix'), '/nix');
    });

    it('logs, exec, stop, restart, kill, inspect', async () => {
      await using _ = await detached('life', image, 'sh', '-c', SERVICE);
      await logs('life', 'started');
      const told = ['exec', '--user', '5', '--workdir', '/nix', 'life', 'sh', '-c', 'id -u; pwd'];
      assert.equal((await nerdctl(...told)).stdout, '5\n/nix');
      await nerdctl('stop', 'life');
      await logs('life', 'started\ntold');
      const state = '{{.State.Status}} {{.State.ExitCode}}';
      assert.equal(await inspect('life', state), 'exited 3');
      await nerdctl('restart', 'life');
      await logs('life', 'started\ntold\nstarted');
      assert.equal(await inspect('life', '{{.State.Status}} {{.Image}}'), `running ${image}:latest`);
      await nerdctl('kill', 'life');
      await eventually(async () => assert.equal(await inspect('life', state), 'exited 137'));
    });

    it('cp both ways, from a store path too; diff; export', async () => {
      await using _ = await detached('files', image, 'sleep', '1000');
      const program = `${made.busybox}/bin/busybox`;
      await rig.node.writeFile('/tmp/in', 'there and back\n');
      await nerdctl('cp', `files:${program}`, '/tmp/program');
      await nerdctl('cp', '/tmp/in', 'files:/in');
      await nerdctl('cp', 'files:/in', '/tmp/out');
      await rig.node.sh(`cmp ${program} /tmp/program; cmp /tmp/in /tmp/out`);
      assert.ok((await nerdctl('diff', 'files')).stdout.split('\n').includes('A /in'));
      await nerdctl('stop', '--time', '0', 'files');
      await nerdctl('export', '--output', '/tmp/export.tar', 'files');
      await rig.node.sh(`tar -xOf /tmp/export.tar ${program.slice(1)} | cmp - ${program}`);
      assert.equal((await rig.node.sh('tar -xOf /tmp/export.tar in')).stdout, 'there and back');
    });

    it('history and inspect show the Nix layer', async () => {
      assert.match((await nerdctl('history', '--no-trunc', image)).stdout, /Nix store paths/);
      assert.match(await inspect(image, '{{json .RootFS.Layers}}'), /^\["sha256:[0-9a-f]{64}"\]$/);
      await removed(image);
    });

    it('commit: the image runs, keeps its closure, and goes through a registry, tag, save and load', async () => {
      await rig.nix2container(['load', interleaved.layout]);
      {
        await using _ = await detached('changed', INTERLEAVED, 'sleep', '1000');
        await nerdctl('exec', 'changed', 'sh', '-c', 'echo committed > /app/new');
        await nerdctl('commit', 'changed', COMMITTED);
      }
      await nerdctl('rmi', '--force', INTERLEAVED);
      const assertRuns = async (name: string) => {
        const text = `cat /app/added /app/new; greet; ${interleaved.packages.redis}/bin/redis-cli --version`;
        const said = await run('--pull', 'never', name, 'sh', '-c', text);
        assert.ok(said.startsWith(`${ADDED}committed\n${GREETING}\nredis-cli `), said);
        for (const path of interleaved.closure) assert.ok(await here(path), path);
      };
      await collect();
      await assertRuns(COMMITTED);

      const pushed = `${registry}/committed:1`;
      await nerdctl('tag', COMMITTED, pushed);
      await nerdctl('push', '--quiet', pushed);
      await nerdctl('save', '--output', '/tmp/committed.tar', COMMITTED);
      await removed(COMMITTED, pushed);
      await collect();
      assert.equal(await here(interleaved.packages.redis), false);
      await nerdctl('pull', '--quiet', pushed);
      await collect();
      await assertRuns(pushed);
      await removed(pushed);
      await collect();
      await nerdctl('load', '--input', '/tmp/committed.tar');
      await collect();
      await assertRuns(COMMITTED);
      await removed(...(await nerdctl('images', '--quiet', '--no-trunc')).stdout.split('\n'));
    });

    it('compose: a store path beside an ordinary image', async () => {
      const archive = await busyboxArchive(rig.node);
      await rig.containerd.ctr(['image', 'import', '--snapshotter', 'nix', archive]);
      await rig.node.writeFile(PROJECT, composeFile(image));
      const compose = async (...args: readonly string[]) =>
        (await nerdctl('compose', '--file', PROJECT, ...args)).stdout;
      await compose('up', '--detach');
      const services = JSON.parse(await compose('ps', '--format', 'json')) as {
        Service: string;
        State: string;
      }[];
      assert.deepEqual(services.map(({ Service, State }) => `${Service} ${State}`).toSorted(), [
        'nix running',
        'ordinary running',
      ]);
      await compose('exec', '-T', 'nix', 'sh', '-c', 'echo $WORD > /data/word; ls -d /nix/store');
      assert.equal(await compose('exec', '-T', 'ordinary', 'cat', '/data/word'), 'hello');
      await compose('exec', '-T', 'ordinary', 'ping', '-c', '1', 'nix');
      await eventually(async () => {
        const lines = (await compose('logs', '--no-color')).split('\n');
        for (const name of ['nix', 'ordinary'])
          assert.ok(lines.some((line) => line.startsWith(`${name}-1`) && line.endsWith('|started')));
      });
      await compose('down', '--volumes');
      await removed(image, BUSYBOX_IMAGE);
    });

    it('system prune: keeps what runs, gives the rest back to Nix', async () => {
      await rig.node.exec(['nix-store', '--realise', made.greeter]);
      assert.equal(await run(`nix:0${made.greeter}`), GREETING);
      {
        await using _ = await detached('kept', image, 'sleep', '1000');
        await nerdctl('system', 'prune', '--all', '--force');
        await eventually(async () => {
          await collect();
          assert.equal(await here(made.greeter), false);
        });
        assert.equal((await nerdctl('exec', 'kept', 'echo', 'alive')).stdout, 'alive');
        assert.ok(await here(made.busybox));
      }
      await nerdctl('system', 'prune', '--all', '--force');
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      await collect();
      assert.equal(await here(made.busybox), false);
    });
  });
}

function composeFile(image: string): string {
  const service = (name: string, reference: string) => `  ${name}:
    image: ${reference}
    command: ["sh", "-c", '${SERVICE.replaceAll('$', '$$')}']
    environment: { WORD: hello }
    volumes: ["data:/data"]
`;
  return `services:\n${service('nix', image)}${service('ordinary', BUSYBOX_IMAGE)}volumes:\n  data: {}\n`;
}
