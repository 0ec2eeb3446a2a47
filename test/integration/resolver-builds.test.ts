import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ExecResult } from '../sandbox/sandbox.ts';
import { inside } from '../sandbox/layout.ts';
import { runContainer } from './support/container.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { inFull, matrix } from './support/matrix.ts';
import { buildPackages, closureInfo, deletePaths } from '../fixtures/packages.ts';
import { HOSTS_DIR, RESOLVER_CONFIG, useResolver } from './support/resolver-hosts.ts';
import { Rig, eventually } from './support/rig.ts';

const GREETING = 'built on this node';

/** A derivation that runs a script by a busybox, given as an expression. */
const derivation = (builder: string, name: string, script: string): string =>
  `derivation {
    name = "${name}"; system = "x86_64-linux"; outputs = [ "out" "dev" ]; builder = ${builder}; args = [ "sh" "-c" ''${script}'' ];
  }`;
/** The script of one that prints a text. */
const program = (busybox: string, text: string): string =>
  `export PATH=${busybox}/bin; mkdir -p $out/bin $dev; echo '#!${busybox}/bin/sh' > $out/bin/greet
   echo "echo ${text}" >> $out/bin/greet; chmod +x $out/bin/greet`;

for (const row of await matrix(['2.3', ...inFull('1.7')], [])) {
  describe(`what a node makes itself, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let busybox: string;
    let bare: Footprint;

    before(async () => {
      rig = await Rig.up({ row, config: configWith('never') });
      await useResolver(rig);
      ({ busybox } = await buildPackages(rig.node, ['busybox']));
      // What the tests name, they name without a reference of Nix's.
      await rig.node.exec(['nix-store', '--add-root', '/tmp/busybox', '--realise', busybox]);
      bare = await footprint(rig);
    });
    afterEach(async () => {
      const names = (await rig.containerd.ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (names.length > 0) await rig.containerd.ctr(['image', 'rm', '--sync', ...names]);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
    });
    after(async () => await rig.down());

    const pull = async (image: string, reject = true): Promise<ExecResult> => {
      const flags = ['--hosts-dir', HOSTS_DIR, '--snapshotter', 'nix'];
      return await rig.containerd.ctr(['image', 'pull', ...flags, image], { reject });
    };
    const says = async (image: string, command: readonly string[] = []): Promise<string> =>
      (await runContainer(rig, { image, id: 'test' }, command)).stdout;
    const addFile = async (name: string, text: string): Promise<string> => {
      await rig.node.writeFile(`/tmp/added/${name}`, text);
      return (await rig.node.exec(['nix-store', '--add', `/tmp/added/${name}`])).stdout;
    };
    const builder = (): string => `(builtins.storePath "${busybox}" + "/bin/busybox")`;
    const instantiate = async (expression: string): Promise<string> =>
      (await rig.node.exec(['nix-instantiate', '--expr', expression])).stdout.trim();

    describe('from a description', () => {
      it('runs what it names, from a closure that only it mentions', async () => {
        const { greeter } = await buildPackages(rig.node, ['greeter']);
        const config = { Entrypoint: [`${greeter}/bin/greet`, 'you'] };
        const described = { architecture: 'amd64', os: 'linux', config, 'nix-store-paths': [greeter] };
        const image = `nix:0${await addFile('greeter.json', JSON.stringify(described))}:latest`;
        await pull(image);
        assert.equal(await says(image), 'Hello from the Nix store, you!');
      });

      it('has links at its root, a closureInfo, and an image below', async () => {
        const { greeter, everything } = await buildPackages(rig.node, ['greeter', 'everything']);
        const info = await closureInfo(rig.node, [greeter]);
        const base = {
          architecture: 'amd64',
          os: 'linux',
          config: { Env: ['BELOW=yes'], Cmd: ['/nowhere'] },
          'nix-store-paths': [everything],
        };
        const name = `nix:0${await addFile('base.json', JSON.stringify(base))}:latest`;
        await pull(name);
        const archive = '/tmp/added/base.tar';
        await rig.containerd.ctr(['image', 'export', archive, name]);
        const described = {
          architecture: 'amd64',
          os: 'linux',
          config: { Cmd: ['/bin/greet', 'root'] },
          'closure-path': info,
          'copy-to-roots': [greeter],
          'base-image': (await rig.node.exec(['nix-store', '--add', archive])).stdout,
        };
        const image = `nix:0${await addFile('described.json', JSON.stringify(described))}:latest`;
        await pull(image);
        assert.equal(await says(image), 'Hello from the Nix store, root!');
        assert.equal(await says(image, [`${busybox}/bin/sh`, '-c', 'echo $BELOW']), 'yes');
      });

      it('is refused by the member that is wrong', async () => {
        for (const [described, word] of [
          [
            { architecture: 'amd64', os: 'linux', config: {}, 'nix-store-paths': ['/etc/passwd'] },
            /nix-store-paths: \\?"\/etc\/passwd/,
          ],
          [{ architecture: 'amd64', config: {}, 'closure-path': busybox }, /os/],
          [{ architecture: 'amd64', os: 'linux', config: { Cmd: 3 }, 'nix-store-paths': [busybox] }, /Cmd/],
        ] as const) {
          const path = await addFile('wrong.json', JSON.stringify(described));
          const { exitCode, stderr } = await pull(`nix:0${path}:latest`, false);
          assert.notEqual(exitCode, 0);
          assert.match(stderr, word);
        }
      });
    });

    describe("from nix2container's JSON", () => {
      it('runs store paths, rewritten ones, and layers that lie in the store', async () => {
        const { greeter } = await buildPackages(rig.node, ['greeter']);
        await rig.node.sh('mkdir -p /tmp/added/layer/etc && echo stored > /tmp/added/layer/etc/stored');
        await rig.node.sh('cd /tmp/added/layer && tar -cf /tmp/added/stored.tar etc');
        const stored = (await rig.node.exec(['nix-store', '--add', '/tmp/added/stored.tar'])).stdout;
        const [sum = ''] = (await rig.node.exec(['sha256sum', stored])).stdout.split(' ');
        const size = Number((await rig.node.exec(['stat', '-c', '%s', stored])).stdout);
        await rig.node.sh('mkdir -p /tmp/added/root/data && echo mine > /tmp/added/root/data/mine');
        const root = (await rig.node.exec(['nix-store', '--add', '/tmp/added/root'])).stdout;
        const layer = (fields: object): object => ({
          digest: `sha256:${'0'.repeat(64)}`,
          size: 1,
          diff_ids: `sha256:${'0'.repeat(64)}`,
          mediatype: 'application/vnd.oci.image.layer.v1.tar',
          History: { created_by: 'nix2container' },
          ...fields,
        });
        const digest = `sha256:${sum}`;
        const rewrite = { regex: `^${root}`, repl: '' };
        const perms = [{ regex: 'data', mode: '0700', uid: 1000, gid: 100, uname: '', gname: '' }];
        const described = {
          version: 1,
          'image-config': { Entrypoint: [`${greeter}/bin/greet`], Cmd: ['n2c'] },
          arch: 'amd64',
          created: null,
          layers: [
            layer({ digest, size, diff_ids: digest, 'layer-path': stored }),
            layer({ paths: [{ path: busybox }] }),
            layer({ paths: [{ path: greeter }, { path: root, options: { rewrite, perms } }] }),
          ],
        };
        const image = `nix:0${await addFile('image.json', JSON.stringify(described))}:latest`;
        await pull(image);
        assert.equal(await says(image), 'Hello from the Nix store, n2c!');
        const shell = `${busybox}/bin/sh`;
        const script =
          'cat /etc/stored /data/mine; stat -c "%a %u:%g" /data /data/mine /etc; ls /nix/store | wc -l';
        assert.equal(
          await says(image, [shell, '-c', script]),
          ['stored', 'mine', '700 1000:100', '700 1000:100', '755 0:0', '2'].join('\n'),
        );
      });
    });

    describe('from a derivation', () => {
      it('is refused without the policy, which the text names', async () => {
        const drv = await instantiate(derivation(builder(), 'refused', program(busybox, GREETING)));
        const { exitCode, stderr } = await pull(`nix:0${drv}:latest`, false);
        assert.notEqual(exitCode, 0);
        assert.match(stderr, /are not built on this node; resolver\.build = \\*"drv/);
        const flake = await pull(`nix:0/flake/path/${drv.slice('/nix/store/'.length)}:x`, false);
        assert.match(flake.stderr, /resolver\.build = \\*"flake/);
      });

      it('is built under the policy "drv", and its output is collectable afterwards', async () => {
        await rig.configure(configWith('drv'));
        const drv = await instantiate(derivation(builder(), 'greeting', program(busybox, GREETING)));
        const image = `nix:0${drv}:latest`;
        await pull(image);
        assert.equal(await says(image), GREETING);
        const [, out = ''] = (await rig.node.exec(['nix-store', '--query', '--outputs', drv])).stdout
          .split('\n')
          .toSorted();
        await rig.containerd.ctr(['image', 'rm', '--sync', image]);
        await eventually(async () => assert.deepEqual(await footprint(rig), bare));
        await deletePaths(rig.node, [out]);
        await pull(image);
        assert.equal(await says(image), GREETING);
      });

      it('tells why it cannot be built', async () => {
        await rig.configure(configWith('drv'));
        const script = `echo the compiler is broken >&2; exit 3`;
        const drv = await instantiate(derivation(builder(), 'broken', script));
        const { exitCode, stderr } = await pull(`nix:0${drv}:latest`, false);
        assert.notEqual(exitCode, 0);
        assert.match(stderr, /broken\.drv/);
        assert.match(stderr, /the compiler is broken/);
      });

      it('is stopped when it takes longer than it may, and others are built', async () => {
        await rig.configure(configWith('drv', 'build_timeout = "2s"\n'));
        const endless = await instantiate(derivation(builder(), 'endless', 'while :; do :; done'));
        const { exitCode, stderr } = await pull(`nix:0${endless}:latest`, false);
        assert.notEqual(exitCode, 0);
        assert.match(stderr, /endless\.drv.*timed out after 2 seconds/);
        const next = `nix:0${await instantiate(derivation(builder(), 'next', program(busybox, GREETING)))}:latest`;
        await pull(next);
        assert.equal(await says(next), GREETING);
      });
    });

    describe('from a flake', () => {
      it('is built under the policy "flake", by any spelling of an attribute', async () => {
        await rig.configure(configWith('flake'));
        const named = (name: string): string =>
          derivation('"${./.}/bin/busybox"', name, program('${./.}', name));
        const system = 'x86_64-linux';
        await rig.node.writeFile(
          '/tmp/added/flake/flake.nix',
          `{ outputs = _: { packages.${system} = { default = ${named('default')}; lower = ${named('lower')}; Upper = ${named('upper')}; }; }; }`,
        );
        await rig.node.exec(['cp', '-a', `${busybox}/bin`, '/tmp/added/flake/']);
        const flake = (await rig.node.exec(['nix-store', '--add', '/tmp/added/flake'])).stdout;
        const repository = `nix:0/flake/path/${flake.slice('/nix/store/'.length)}`;
        for (const [image, greeting] of [
          [`${repository}:latest`, 'default'],
          [`${repository}/lower:latest`, 'lower'],
          [`${repository}:lower`, 'lower'],
          [`${repository}:Upper`, 'upper'],
        ] as const) {
          await pull(image);
          assert.equal(await says(image), greeting);
        }
        const { stderr } = await pull(`${repository}:absent`, false);
        assert.match(stderr, /absent/);
        const unlocked = await pull('nix:0/flake/github/nixos/nixpkgs:hello', false);
        assert.match(unlocked.stderr, /names no locked flake/);
      });

      const addFlake = async (expression: string): Promise<string> => {
        await rig.node.writeFile(
          '/tmp/added/one/flake.nix',
          `{ outputs = _: { packages.x86_64-linux.default = ${expression}; }; }`,
        );
        await rig.node.exec(['cp', '-a', `${busybox}/bin`, '/tmp/added/one/']);
        const flake = (await rig.node.exec(['nix-store', '--add', '/tmp/added/one'])).stdout;
        await rig.node.exec(['rm', '-r', '/tmp/added/one']);
        return `nix:0/flake/path/${flake.slice('/nix/store/'.length)}:latest`;
      };
      const inFlight = async (): Promise<string> =>
        (await rig.node.exec(['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'status'])).stdout;

      it('is stopped when its evaluation takes longer than it may; meanwhile status shows it', async () => {
        await rig.configure(configWith('flake', 'build_timeout = "5s"\n'));
        const image = await addFlake('let f = n: if n < 2 then n else f (n - 1) + f (n - 2); in f 90');
        const pulled = pull(image, false);
        await eventually(async () => assert.match(await inFlight(), /path:.*: running/));
        const { exitCode, stderr } = await pulled;
        assert.notEqual(exitCode, 0);
        assert.match(stderr, /evaluate path:.*: not finished in 5 s; .*resolver\.build_timeout/);
        assert.match(await inFlight(), /none in flight/);
      });

      it('outlives a garbage collection while it waits for another build, and so does a derivation', async () => {
        await rig.configure(configWith('flake'));
        const slow = `export PATH=${busybox}/bin; sleep 10; ${program(busybox, GREETING)}`;
        const first = `nix:0${await instantiate(derivation(builder(), 'slow', slow))}:latest`;
        const image = await addFlake(
          derivation('"${./.}/bin/busybox"', 'queued', program('${./.}', GREETING)),
        );
        const pulledFirst = pull(first);
        await eventually(async () => assert.match(await inFlight(), /slow\.drv: running/));
        const named = derivation(builder(), 'waiting', program(busybox, GREETING));
        const second = `nix:0${await instantiate(named)}:latest`;
        const pulled = [pull(image), pull(second)];
        await eventually(async () => {
          const shown = await inFlight();
          assert.match(shown, /queued\.drv: queued/);
          assert.match(shown, /waiting\.drv: queued/);
        });
        await rig.node.exec(['nix-store', '--gc']);
        await Promise.all([pulledFirst, ...pulled]);
        for (const each of [image, second]) assert.equal(await says(each), GREETING);
      });
    });
  });
}

function configWith(build: string, more = ''): string {
  return `${RESOLVER_CONFIG}build = "${build}"\n${more}[gc]\ngrace = "1s"\n`;
}
