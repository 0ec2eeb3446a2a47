import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import lock from '../../package-lock.json' with { type: 'json' };
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { inside, projectRoot } from '../sandbox/layout.ts';
import { type ExecOptions, type ExecResult, Sandbox } from '../sandbox/sandbox.ts';
import { waitFor } from '../sandbox/wait-for.ts';
import { describeLibraries, STAND_IN_ENV, SYSTEM } from './support/nix-images.ts';

const FLAKE = '/tmp/flake';
const STAND_IN = '/tmp/nixpkgs';
/** What the flake is made of, and the stand-in for its input: neither shall see a checkout's other files. */
const FLAKE_FILES = [
  'flake.nix',
  'flake.lock',
  'default.nix',
  'shell.nix',
  'package.json',
  'package-lock.json',
];
const FLAKE_FOLDERS = ['build.ts', 'cmd', 'modules', 'proto', 'src', 'examples'];
const STAND_IN_FOLDERS = ['test/nix', 'test/fixtures'];

const SYSTEMS = ['aarch64-linux', 'x86_64-linux'];
const EXAMPLES = [
  'fromRegistry',
  'hello',
  'interleaved',
  'layered',
  'multiArch',
  'redis',
  'redisWithShell',
  'system',
];
const MACHINES = ['vm', 'vm-rootless'];

type Tree = { readonly [name: string]: Tree };
interface LockedModule {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

for (const { suite, release } of [
  { suite: 'trixie', release: '2.26' },
  { suite: 'sid', release: '2.34' },
] as const) {
  const skip = sandboxUnavailable() ?? (await skipWithout(`debian-${suite}`));
  describe(`flake, on Nix ${release}`, { skip }, () => {
    let node: Sandbox;

    const nix = async (args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> =>
      await node.exec(['nix', '--extra-experimental-features', 'nix-command flakes', ...args], {
        timeout: 300_000,
        env: STAND_IN_ENV,
        ...options,
      });
    /** With the stand-in as nixpkgs; it reads the node's programs, so an evaluation is not pure. */
    const flake = async (
      command: readonly string[],
      attribute = '',
      options: ExecOptions = {},
    ): Promise<ExecResult> => {
      const input = ['--override-input', 'nixpkgs', `path:${STAND_IN}/test?dir=nix`];
      const flags = ['--impure', '--no-write-lock-file', ...input];
      return await nix([...command, ...flags, `path:${FLAKE}${attribute}`], options);
    };

    before(async () => {
      node = await Sandbox.up({ suite, name: 'flake' });
      await describeLibraries(node);
      await node.sh(
        `mkdir -p ${FLAKE} ${STAND_IN}/test
        cd ${inside.project}
        cp -r ${[...FLAKE_FILES, ...FLAKE_FOLDERS].join(' ')} ${FLAKE}/
        cp -r ${STAND_IN_FOLDERS.join(' ')} ${STAND_IN}/test/`,
      );
    });
    after(async () => await node?.down());

    it('has the outputs that are documented, for both systems', async () => {
      const { stdout } = await flake(['flake', 'show', '--json', '--all-systems']);
      const outputs = JSON.parse(stdout) as Tree;
      const names = (...path: readonly string[]) =>
        Object.keys(path.reduce<Tree>((tree, name) => tree[name] ?? {}, outputs)).toSorted();
      const tests = (await readdir(`${projectRoot}/modules/nixos/tests`)).map((file) =>
        file.replace(/\.nix$/, ''),
      );
      for (const system of SYSTEMS) {
        const images = EXAMPLES.map((name) => `image-${name}`);
        assert.deepEqual(
          names('packages', system),
          ['default', 'nix-snapshotter', 'nix2container', ...images].toSorted(),
        );
        const apps = [
          ...EXAMPLES.flatMap((name) => [`load-${name}`, `push-${name}`]),
          ...tests.map((name) => `test-${name}`),
          ...MACHINES,
        ];
        assert.deepEqual(names('apps', system), apps.toSorted());
        assert.deepEqual(names('checks', system), ['nix-snapshotter', ...tests].toSorted());
        assert.deepEqual(names('devShells', system), ['default']);
      }
      assert.deepEqual(names('nixosConfigurations'), MACHINES);
      assert.deepEqual(names('overlays'), ['default']);
      for (const [output, folder] of [
        ['nixosModules', 'nixos'],
        ['homeModules', 'home'],
      ] as const) {
        const { stdout: list } = await flake(
          ['eval', '--json', '--apply', 'builtins.attrNames'],
          `#${output}`,
        );
        const files = await readdir(`${projectRoot}/modules/${folder}`);
        for (const name of JSON.parse(list) as string[]) {
          assert.ok(files.includes(`${name}.nix`), `modules/${folder}/${name}.nix`);
        }
      }
    });

    it('resources name images by store paths', async () => {
      const { stdout } = await flake(['eval', '--json'], `#k8sResources.${SYSTEM}.redisPod.spec.containers`);
      const [container] = JSON.parse(stdout) as [{ image: string }];
      assert.match(container.image, /^nix:0\/nix\/store\/[0-9a-z]{32}-nix-image-redis\.tar$/);
    });

    it('the lock is of the input that flake.nix names', async () => {
      const { stdout } = await nix(['flake', 'metadata', '--json', '--no-update-lock-file', `path:${FLAKE}`]);
      const { locks } = JSON.parse(stdout) as {
        readonly locks: {
          readonly nodes: { readonly nixpkgs: Readonly<Record<string, Record<string, string>>> };
        };
      };
      const { locked = {}, original = {} } = locks.nodes.nixpkgs;
      assert.deepEqual([original['owner'], original['repo']], ['NixOS', 'nixpkgs']);
      assert.match(locked['rev'] ?? '', /^[0-9a-f]{40}$/);
      assert.match(locked['narHash'] ?? '', /^sha256-[A-Za-z0-9+/]{43}=$/);
    });

    it('without flakes: the same outputs, of the pinned nixpkgs', async () => {
      // The pinned archive cannot be fetched here: the stand-in is unpacked in its place.
      await node.sh(
        `mkdir -p /tmp/archive/lib
        echo 'import ${inside.project}/test/nix' > /tmp/archive/default.nix
        echo 'import ${inside.project}/test/nix/lib.nix' > /tmp/archive/lib/default.nix`,
      );
      const stubbed = `builtins.scopedImport {
        fetchTarball = { url, sha256 }:
          assert builtins.match "https://github.com/NixOS/nixpkgs/archive/[0-9a-f]{40}.tar.gz" url != null;
          assert builtins.match "sha256-.{44}" sha256 != null;
          "/tmp/archive";
      } ${FLAKE}/default.nix`;
      const evaluate = async (text: string): Promise<unknown> => {
        const flags = ['--eval', '--strict', '--json', '--expr'];
        const options = { env: STAND_IN_ENV };
        const { stdout } = await node.exec(['nix-instantiate', ...flags, text], options);
        return JSON.parse(stdout);
      };
      const { stdout: path } = await flake(['eval', '--raw'], `#packages.${SYSTEM}.image-hello.image`);
      assert.equal(await evaluate(`(${stubbed}).packages.${SYSTEM}.image-hello.image`), path);
      assert.match(String(await evaluate(`(${stubbed}).default.name`)), /^nix-snapshotter-\d/);
    });

    it('the package is given each module of npm that it needs, with its address', async () => {
      const evaluate = async (flags: readonly string[]) => {
        const file = `${inside.project}/test/nix/npm-lock.nix`;
        const command = [
          'nix-instantiate',
          '--eval',
          '--strict',
          '--json',
          file,
          '--arg',
          'root',
          inside.project,
        ];
        const { stdout } = await node.exec([...command, ...flags]);
        return JSON.parse(stdout) as {
          readonly packageLock: { readonly packages: Readonly<Record<string, LockedModule>> };
        };
      };
      const all = lock.packages as unknown as Readonly<Record<string, LockedModule>>;
      const { packages } = (await evaluate([])).packageLock;
      for (const [at, { resolved, ...entry }] of Object.entries(packages)) {
        if (at === '') continue;
        const name = at.slice(at.lastIndexOf('node_modules/') + 'node_modules/'.length);
        const file = `${name.slice(name.indexOf('/') + 1)}-${entry.version}.tgz`;
        assert.equal(resolved, `https://registry.npmjs.org/${name}/-/${file}`);
        assert.equal(entry.integrity, all[at]?.integrity, at);
        assert.ok(entry.integrity?.startsWith('sha512-'), at);
        for (const needed of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }))
          assert.ok(isFound(packages, at, needed), `${at} needs ${needed}`);
      }
      const left = Object.keys(all).filter((at) => !(at in packages));
      assert.ok(left.length > 50, 'packages of other platforms are left out');
      for (const at of left) assert.equal(all[at]?.optional, true, `${at} is not there`);

      const others = (await evaluate(['--argstr', 'cpu', 'arm64', '--arg', 'without', '[ "knip" ]']))
        .packageLock;
      assert.ok('node_modules/@esbuild/linux-arm64' in others.packages);
      assert.ok(!('node_modules/@esbuild/linux-x64' in others.packages));
      assert.ok(!('node_modules/knip' in others.packages));
    });

    if (suite !== 'trixie') return;

    it('the package builds, and its programs run', async () => {
      const { stdout: path } = await flake(['build', '--no-link', '--print-out-paths']);
      for (const program of ['nix-snapshotter', 'nix2container']) {
        const { stdout } = await node.exec([`${path}/bin/${program}`, '--version']);
        assert.match(stdout, /^\d+\.\d+\.\d+$/);
      }
      const socket = '/run/packaged.sock';
      const daemon = node.spawn('packaged', [
        `${path}/bin/nix-snapshotter`,
        '--address',
        socket,
        '--root',
        '/var/lib/packaged',
      ]);
      const status = [`${path}/bin/nix-snapshotter`, 'status', '--address', socket];
      await waitFor(daemon, async () => (await node.exec(status, { reject: false })).exitCode === 0);
      assert.equal((await daemon.stop()).code, 0);
      const complete = `. ${path}/share/bash-completion/completions/nix2container
        COMP_WORDS=(nix2container b)
        COMP_CWORD=1
        _nix2container ${path}/bin/nix2container b nix2container
        echo "\${COMPREPLY[@]}"`;
      assert.equal((await node.exec(['bash', '-euc', complete])).stdout, 'build');
    });

    it('an app builds its image and loads it into the containerd that the environment names', async () => {
      const env = { ...STAND_IN_ENV, CONTAINERD_ADDRESS: '/run/none.sock' };
      const { stderr, exitCode } = await flake(['run'], '#load-hello', { env, reject: false });
      assert.equal(exitCode, 1);
      assert.match(stderr, /nix2container: containerd at \/run\/none\.sock: /);
    });
  });
}

/** Whether Node finds a module from another one's directory: in its own node_modules, else in those above. */
function isFound(packages: Readonly<Record<string, unknown>>, from: string, name: string): boolean {
  if (`${from}/node_modules/${name}` in packages) return true;
  const above = from.lastIndexOf('/node_modules/');
  if (above >= 0) return isFound(packages, from.slice(0, above), name);
  return `node_modules/${name}` in packages;
}
