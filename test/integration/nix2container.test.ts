import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { busyboxArchive } from '../fixtures/images.ts';
import { buildPackages, closureInfo } from '../fixtures/packages.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { type Containerd, SNAPSHOTTER_SOCKET, startContainerd } from '../sandbox/containerd.ts';
import { ensureTool } from '../sandbox/go-tools.ts';
import { inside } from '../sandbox/layout.ts';
import { type ExecOptions, Sandbox } from '../sandbox/sandbox.ts';
import { startSnapshotter } from '../sandbox/snapshotter.ts';
import { installRegistryTools, REGISTRY, skopeo, startRegistry } from './nix2container/registry-tools.ts';

const unavailable = sandboxUnavailable();

describe('nix2container', { skip: unavailable ?? false }, () => {
  let node: Sandbox;
  let containerd: Containerd;
  let packages: Record<'busybox' | 'greeter' | 'everything', string>;
  let base: string;
  let runs = 0;

  const tool = (args: readonly string[], options?: ExecOptions) =>
    node.exec(['node', `${inside.project}/dist/nix2container.mjs`, ...args], options);
  /**
   * Runs an image that containerd has, and nothing but unpacked. The shim writes the output to a file: `ctr` loses that of
   * a program that ends before it has opened the pipes.
   */
  const run = async (image: string, command: readonly string[] = []) => {
    const id = `c${runs++}`;
    const log = `/tmp/${id}.log`;
    const flags = ['--rm', '--snapshotter', 'nix', '--log-uri', `file://${log}`];
    await containerd.ctr(['run', ...flags, image, id, ...command]);
    return (await node.readFile(log)).trimEnd();
  };
  const sha256 = async (file: string) => (await node.exec(['sha256sum', file])).stdout.split(' ')[0];

  before(async () => {
    node = await Sandbox.up({ suite: 'trixie', name: 'n2c' });
    packages = await buildPackages(node, ['busybox', 'greeter', 'everything']);
    base = await busyboxArchive(node);
    await startSnapshotter(node);
    containerd = await startContainerd(node, { version: 'debian', snapshotterSocket: SNAPSHOTTER_SOCKET });
  });
  after(async () => {
    await node?.down();
  });

  it('builds from a store path, loads and runs; a second load changes nothing', async () => {
    const { greeter } = packages;
    const built = await tool([
      'build',
      '--entrypoint',
      `${greeter}/bin/greet`,
      greeter,
      '--out',
      '/tmp/greeter.tar',
      '--ref',
      'greeter:1',
    ]);
    const info = /nodes fetch (\/nix\/store\/\S+-closure-info):/.exec(built.stdout)?.[1] ?? '';
    const brought = await node.exec(['nix-store', '--query', '--requisites', info]);
    assert.match(brought.stdout, new RegExp(`^${greeter}$`, 'm'));
    const loaded = await tool(['load', '/tmp/greeter.tar']);
    assert.match(loaded.stdout, /^docker\.io\/library\/greeter:1: sha256:[0-9a-f]{64}$/);
    const check = await containerd.ctr(['image', 'check', '--snapshotter', 'nix']);
    assert.match(check.stdout, /greeter:1 .*complete \(2\/2\).* true/);
    assert.equal(await run('docker.io/library/greeter:1'), 'Hello from the Nix store, world!');
    const snapshots = (await containerd.ctr(['snapshot', '--snapshotter', 'nix', 'ls'])).stdout;
    assert.equal((await tool(['load', '/tmp/greeter.tar'])).stdout, loaded.stdout);
    assert.equal((await containerd.ctr(['snapshot', '--snapshotter', 'nix', 'ls'])).stdout, snapshots);
    assert.equal((await containerd.ctr(['leases', 'ls', '-q'])).stdout, '');
  });

  it('names, files, links and empty things of every kind are in the container', async () => {
    const { everything, busybox } = packages;
    const args = [
      '--copy-to-root',
      busybox,
      '--cmd',
      '/bin/sh',
      '--ref',
      'everything:1',
      '/tmp/everything.tar',
    ];
    await tool(['build', everything, ...args]);
    await tool(['load', '/tmp/everything.tar']);
    const info = `${(await node.exec(['nix-store', '--query', '--requisites', everything, busybox])).stdout}\n`;
    const list =
      'for p in $(cat); do if [ -L $p ]; then echo "$p link $(readlink $p)"; ' +
      'elif [ -d $p ]; then echo "$p $(ls -A $p | wc -l)"; else sha256sum $p; fi; done';
    const names = [...new Set(info.split('\n').filter(Boolean))].toSorted().join('\n');
    const expected = (await node.exec(['busybox', 'sh', '-c', list], { input: names })).stdout;
    const inContainer = await run('docker.io/library/everything:1', [
      '/bin/sh',
      '-c',
      `echo '${names}' | (${list})`,
    ]);
    assert.equal(inContainer, expected);
    assert.ok(expected.split('\n').length > 14);
  });

  it('the same bytes whatever umask, time zone, locale and directory', async () => {
    const flags = ['--copy-to-root', packages.greeter, '--cmd', 'greet', '--ref', 'x:1', packages.greeter];
    const command = `node ${inside.project}/dist/nix2container.mjs build ${flags.join(' ')}`;
    await node.sh(`umask 077; cd /; ${command} /tmp/a.tar`, {
      env: { TZ: 'Asia/Tokyo', LC_ALL: 'tr_TR.UTF-8' },
    });
    await node.sh(`umask 000; cd /tmp; ${command} b.tar`, { env: { TZ: 'UTC', LC_ALL: 'C' } });
    assert.equal(await sha256('/tmp/a.tar'), await sha256('/tmp/b.tar'));
  });

  it('a failed load leaves nothing behind, and the name as it was', async () => {
    const images = (await containerd.ctr(['image', 'ls'])).stdout;
    const { greeter, busybox } = packages;
    await tool(['build', greeter, '--copy-to-root', busybox, '--ref', 'greeter:1', '--out', '/tmp/good.tar']);
    const tarWithBadLayer = [
      'mkdir /tmp/bad; cd /tmp/bad; tar xf /tmp/good.tar',
      'blob=$(tar xOf /tmp/good.tar manifest.json | sed "s/.*Layers\\":\\[\\"\\([^\\"]*\\).*/\\1/")',
      'chmod u+w $blob; printf X | dd of=$blob bs=1 seek=20 conv=notrunc status=none; tar cf /tmp/bad.tar *',
    ];
    await node.sh(tarWithBadLayer.join('\n'));
    await containerd.ctr(['namespace', 'create', 'clean']);
    const failed = await tool(['--namespace', 'clean', 'load', '/tmp/bad.tar'], { reject: false });
    assert.equal(failed.exitCode, 1);
    assert.match(failed.stderr, /^nix2container: \/tmp\/bad\.tar: .*has digest sha256:/);
    for (const list of [
      ['image', 'ls', '-q'],
      ['leases', 'ls', '-q'],
    ]) {
      assert.equal((await containerd.ctr(['--namespace', 'clean', ...list])).stdout, '', list.join(' '));
    }
    assert.equal((await containerd.ctr(['image', 'ls'])).stdout, images);
  });

  it('an upload that an earlier try left with other bytes is made anew', async () => {
    const { greeter, busybox } = packages;
    await tool(['build', greeter, '--copy-to-root', busybox, '--ref', 'anew:1', '--out', '/tmp/anew.tar']);
    const manifest = (await node.exec(['tar', 'xOf', '/tmp/anew.tar', 'manifest.json'])).stdout;
    const digest = /"Layers":\["blobs\/sha256\/([0-9a-f]{64})/.exec(manifest)?.[1];
    const ref = `nix2container-sha256:${digest}`;
    await containerd.ctr(['namespace', 'create', 'anew']);
    const inNamespace = ['--namespace', 'anew'];
    await containerd.ctr([...inNamespace, 'content', 'ingest', '--expected-size', '999', ref], {
      input: 'rubbish',
      reject: false,
    });
    assert.match((await containerd.ctr([...inNamespace, 'content', 'active'])).stdout, new RegExp(ref));
    await tool([...inNamespace, 'load', '/tmp/anew.tar']);
    assert.doesNotMatch((await containerd.ctr([...inNamespace, 'content', 'active'])).stdout, /sha256/);
  });

  it('a missing containerd, archive, snapshotter or argument: one clear line and the right exit code', async () => {
    for (const [args, exitCode, words] of [
      [['--address', '/run/none.sock', 'load', '/tmp/greeter.tar'], 1, /containerd at \/run\/none\.sock: /],
      [['load', '/tmp/none.tar'], 1, /\/tmp\/none\.tar: cannot be opened/],
      [['load', '--snapshotter', 'none', '/tmp/greeter.tar'], 1, /snapshotter none: .*proxy plugin/],
      [['load', '/etc/passwd'], 1, /\/etc\/passwd: it is not a tar file/],
      [['build'], 2, /no file to write/],
      [['build', '--nonsense'], 2, /nonsense.*--help/],
      [['build', '--cmd', '-x'], 2, /cmd.*--help/],
      [['load', '--ref', 'NAME', '/tmp/greeter.tar'], 1, /"NAME".*upper case/],
      [[], 2, /name a command/],
    ] as const) {
      const { stderr, exitCode: code } = await tool(args, { reject: false });
      assert.equal(code, exitCode, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, words);
      assert.equal(stderr.split('\n').length, 1, stderr);
    }
  });

  it('on an ordinary base image; pushed to a registry and pulled back; read by skopeo', async (t) => {
    await installRegistryTools(node);
    await startRegistry(node);
    const { greeter } = packages;
    const flags = [
      '--from-image',
      base,
      '--entrypoint',
      `${greeter}/bin/greet`,
      '--user',
      'alice',
      '--ref',
      `${REGISTRY}/team/greeter:1`,
    ];
    await tool(['build', ...flags, greeter, '/tmp/mixed.tar']);
    assert.match((await tool(['push', '/tmp/mixed.tar'])).stdout, /3 blobs sent, 0 were there/);
    assert.match(
      (await tool(['push', '--ref', `${REGISTRY}/team/greeter:2`, '/tmp/mixed.tar'])).stdout,
      /0 blobs sent, 3 were there/,
    );

    const inspect = await skopeo(node, [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${REGISTRY}/team/greeter:2`,
    ]);
    const manifest = JSON.parse(inspect) as { layers: { annotations?: Record<string, string> }[] };
    assert.match(
      manifest.layers[1]?.annotations?.['containerd.io/snapshot/nix-closure'] ?? '',
      /^\/nix\/store\/.*-closure-info$/,
    );
    await containerd.ctr([
      'image',
      'pull',
      '--plain-http',
      '--snapshotter',
      'nix',
      `${REGISTRY}/team/greeter:1`,
    ]);
    assert.equal(await run(`${REGISTRY}/team/greeter:1`), 'Hello from the Nix store, world!');

    for (const [format, transport] of [
      ['oci-archive', 'oci-archive:/tmp/f'],
      ['docker-archive', 'docker-archive:/tmp/f'],
      ['oci-layout', 'oci:/tmp/f'],
    ] as const) {
      await node.sh('rm -rf /tmp/f /tmp/back*');
      await tool(['build', ...flags, greeter, '--format', format, '--out', '/tmp/f']);
      for (const back of [
        'docker-archive:/tmp/back1.tar:x:1',
        'oci-archive:/tmp/back2.tar:x:1',
        'oci:/tmp/back3:x:1',
      ]) {
        await skopeo(node, ['copy', '--quiet', transport, back]);
        const file = back.split(':')[1] ?? '';
        const result = await tool([
          'build',
          '--from-image',
          file,
          packages.busybox,
          '--out',
          '/tmp/again.tar',
        ]);
        assert.match(result.stdout, /for linux\//);
        t.diagnostic(`${format} → skopeo → ${back} is read`);
      }
    }
  });

  it('owners and modes as told, a fake root; the index of two platforms is pushed whole, and this one runs', async () => {
    await node.sh('mkdir -p /tmp/root/etc /tmp/root/home/app; echo secret > /tmp/root/etc/secret');
    const root = (await node.exec(['nix-store', '--add', '/tmp/root'])).stdout;
    const perms = [
      { path: root, regex: '/etc/secret$', mode: '0640', uid: 300_000, gid: 7 },
      { path: root, regex: '/home/app$', mode: '0700', uid: 1000, gid: 1000 },
    ];
    await node.writeFile('/tmp/perms.json', JSON.stringify(perms));
    await node.sh(
      'mkdir -p /tmp/fake/opt; echo x > /tmp/fake/opt/tool; mkfifo /tmp/fake/opt/pipe; chmod 4711 /tmp/fake/opt/tool; ' +
        'tar -C /tmp/fake --owner=5 --group=6 -czf /tmp/fake.tar.gz ./opt',
    );
    const { busybox } = packages;
    const inputs = ['--copy-to-root', root, '--perms', '/tmp/perms.json', '--fake-root', '/tmp/fake.tar.gz'];
    const images = ['linux/amd64', 'linux/arm64'].map((platform) => ({
      platform,
      file: `/tmp/${platform.replace('/', '-')}.tar`,
    }));
    for (const { platform, file } of images)
      await tool(['build', busybox, ...inputs, '--platform', platform, '--cmd', 'sh', '--out', file]);
    const name = `${REGISTRY}/team/platforms:1`;
    const index = ['index', ...images.map(({ file }) => file), '--out', '/tmp/index.tar', '--ref', name];
    assert.match((await tool(index)).stdout, /for linux\/amd64, linux\/arm64, index sha256:/);
    await tool(['load', '/tmp/index.tar']);
    const list = 'stat -c "%a %u:%g %F %n" etc/secret home/app opt/tool opt/pipe; cat etc/secret';
    assert.deepEqual((await run(name, [`${busybox}/bin/busybox`, 'sh', '-c', list])).split('\n'), [
      '640 300000:7 regular file etc/secret',
      '700 1000:1000 directory home/app',
      '4711 5:6 regular file opt/tool',
      '644 5:6 fifo opt/pipe',
      'secret',
    ]);
    await tool(['push', '/tmp/index.tar']);
    const raw = await skopeo(node, ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
    assert.equal((JSON.parse(raw) as { manifests: unknown[] }).manifests.length, 2);
    const twice = await tool(
      ['index', '--out', '/tmp/none.tar', ...images.map(() => images[0]?.file ?? '')],
      {
        reject: false,
      },
    );
    assert.equal(twice.exitCode, 1);
    assert.match(twice.stderr, /amd64\.tar and \S+amd64\.tar are both for linux\/amd64/);
  });

  it('the Go tool and ours: same flags, same mount points; its image is a base and runs', async (t) => {
    const skip = await skipWithout('nix2container');
    if (skip !== false) return t.skip(skip);
    const go = `${inside.tools}/${await ensureTool('nix2container')}/nix2container`;
    const { greeter, busybox } = packages;
    const info = await closureInfo(node, [greeter, busybox]);
    await node.writeFile(
      '/tmp/config.json',
      JSON.stringify({ entrypoint: [`${greeter}/bin/greet`], env: ['A=1'] }),
    );
    await node.writeFile('/tmp/root.json', JSON.stringify([busybox]));
    const flags = [
      'build',
      '--config',
      '/tmp/config.json',
      '--closure',
      `${info}/store-paths`,
      '--copy-to-root',
      '/tmp/root.json',
    ];
    await node.exec([go, ...flags, '--ref', 'docker.io/library/go:1', '/tmp/go.tar']);
    await tool([...flags, '--ref', 'docker.io/library/ours:1', '/tmp/ours.tar']);
    const layersOf = async (archive: string) => {
      const manifest = (await node.exec(['tar', 'xOf', archive, 'manifest.json'])).stdout;
      const [{ Layers: files }] = JSON.parse(manifest) as [{ Layers: string[] }];
      const list = async (file: string) =>
        (await node.exec(['sh', '-c', 'tar xOf "$1" "$2" | tar tz', 'sh', archive, file])).stdout.split('\n');
      return await Promise.all(files.map(list));
    };
    const [nixLayer = [], links = [], ...more] = await layersOf('/tmp/ours.tar');
    assert.deepEqual(more, []);
    assert.ok(
      nixLayer.every((name) => name.startsWith('nix/')),
      String(nixLayer),
    );
    assert.ok(!links.some((name) => name.startsWith('nix/')), String(links));
    const ours = [...nixLayer.filter((name) => name !== 'nix/.nix-snapshotter-layer'), ...links].toSorted();
    assert.deepEqual(
      [ours],
      (await layersOf('/tmp/go.tar')).map((names) => names.toSorted()),
    );
    assert.ok(ours.length > 100);

    for (const image of ['go', 'ours']) {
      await tool(['load', `/tmp/${image}.tar`]);
      assert.equal(await run(`docker.io/library/${image}:1`), 'Hello from the Nix store, world!');
    }
    await tool([
      'build',
      '--from-image',
      '/tmp/go.tar',
      greeter,
      '--cmd',
      'again',
      '--ref',
      'on-go:1',
      '/tmp/on-go.tar',
    ]);
    await tool(['load', '/tmp/on-go.tar']);
    assert.equal(await run('docker.io/library/on-go:1'), 'Hello from the Nix store, again!');
  });

  it('loads ordinary images of every format too, and replaces a name', async () => {
    await tool(['load', base, '--ref', 'replaced:1']);
    assert.equal(await run('docker.io/library/replaced:1', ['sh', '-c', 'echo $0']), 'sh');
    await tool(['load', '/tmp/greeter.tar', '--ref', 'replaced:1']);
    assert.equal(await run('docker.io/library/replaced:1'), 'Hello from the Nix store, world!');
  });
});
