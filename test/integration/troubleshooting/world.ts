import { buildPackages, deletePaths } from '../../fixtures/packages.ts';
import { type BinaryCache, binaryCache } from '../../fixtures/binary-cache.ts';
import { configureNix } from '../../fixtures/nix-config.ts';
import { inside } from '../../sandbox/layout.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import type { ExecResult } from '../../sandbox/sandbox.ts';
import { waitFor } from '../../sandbox/wait-for.ts';
import type { AvailableRow } from '../support/matrix.ts';
import { RESOLVER_CONFIG, useResolver } from '../support/resolver-hosts.ts';
import { Rig } from '../support/rig.ts';
import { ServiceManager } from '../support/service-manager.ts';
import { CommandLines } from './clients.ts';

/** Everything of the file system of `/nix` that tests need, with some room. */
const NIX_SIZE = '400m';
const EXPRESSION = `${inside.project}/test/fixtures/greeters.nix`;
const NAMES = '/tmp/greeters.json';
/** Where mounts are made until there is no room for more. */
export const FILLED = '/tmp/filled';
/** `e_machine` of ELF: AArch64, x86-64. */
const FOREIGN_MACHINE = process.arch === 'arm64' ? String.raw`\x3e\x00` : String.raw`\xb7\x00`;
const DAEMON_SOCKET = '/nix/var/nix/daemon-socket/socket';

/** A set-up that works, to be broken: a path of its own for each problem, on a cache and on the machine that built it. */
export class World {
  readonly rig: Rig;
  /** What the build machine has: everything. */
  readonly builder: BinaryCache;
  /** Like the rig's cache, and unsigned. */
  readonly unsigned: BinaryCache;
  readonly #paths: ReadonlyMap<string, string>;
  /** Path with the programs that the others run, in the store. */
  readonly busybox: string;
  readonly #services: ServiceManager;
  #nixDaemon: SandboxProcess | undefined;
  /** Not as in the beginning. */
  #isConfigured = false;

  private constructor(
    { paths, busybox }: { paths: ReadonlyMap<string, string>; busybox: string },
    deps: { rig: Rig; builder: BinaryCache; unsigned: BinaryCache },
  ) {
    this.#paths = paths;
    this.busybox = busybox;
    this.rig = deps.rig;
    this.builder = deps.builder;
    this.unsigned = deps.unsigned;
    const { node, containerd, snapshotter } = deps.rig;
    const others = {
      'nix-daemon': async () => await this.startNixDaemon(),
      'nix-snapshotter': async () => await snapshotter.start(),
    };
    this.#services = new ServiceManager({ node, containerd, environment: {}, others });
  }

  /** @param names of the problems whose paths the cache has, and of those that only the build machine has. */
  static async up(
    row: AvailableRow,
    names: { readonly pushed: readonly string[]; readonly built: readonly string[] },
  ): Promise<World> {
    const rig = await Rig.up({
      row,
      cri: true,
      config: config(),
      prepare: async (node) => {
        await node.sh(`mkdir -p /nix; mount -t tmpfs -o size=${NIX_SIZE},mode=755 nix /nix`);
      },
    });
    try {
      const { node } = rig;
      await useResolver(rig);
      const program = `#!/bin/sh\nexec node ${inside.project}/dist/nix-snapshotter.mjs "$@"\n`;
      await node.writeFile('/usr/local/bin/nix-snapshotter', program, 0o755);
      const { busybox } = await buildPackages(node, ['busybox']);
      await node.exec(['nix-store', '--realise', busybox, '--add-root', '/nix/var/nix/gcroots/busybox']);
      const all = [...names.pushed, ...names.built];
      await node.writeFile(NAMES, JSON.stringify(all));
      await node.writeFile('/tmp/greeters.nix', expression(busybox));
      const attributes = all.flatMap((name) => ['-A', name]);
      const built = await node.exec(['nix-build', '--no-out-link', '/tmp/greeters.nix', ...attributes]);
      const paths = new Map(built.stdout.split('\n').map((path, at) => [all[at] ?? '', path]));
      const pathsOf = (chosen: readonly string[]) => chosen.map((name) => paths.get(name) ?? '');
      const builder = await binaryCache(node, pathsOf(all), { name: 'builder' });
      const unsigned = await binaryCache(node, pathsOf(all), { name: 'unsigned' });
      await rig.cache.add(pathsOf(names.pushed));
      await deletePaths(node, pathsOf(all));
      const world = new World({ paths, busybox }, { rig, builder, unsigned });
      await world.#services.start();
      return world;
    } catch (error) {
      await rig.down();
      throw error;
    }
  }

  pathOf(name: string): string {
    const path = this.#paths.get(name);
    if (path === undefined) throw new Error(`there is no path ${name}`);
    return path;
  }

  /** A file that a path is built of. */
  async expressionOf(name: string): Promise<string> {
    const file = `/tmp/expression-${name}.nix`;
    await this.rig.node.writeFile(file, `${expression(this.busybox)}.${name}\n`);
    return file;
  }

  /** Gives Nix another nix.conf, which a process of Nix's that is kept would use only later. */
  async nixConf(...lines: readonly string[]): Promise<void> {
    await this.#writeNixConf(lines);
    await this.rig.restartSnapshotter();
  }

  async configure(further = '', deadline = '2m'): Promise<void> {
    this.#isConfigured = true;
    await this.rig.configure(config(further, deadline));
  }

  async startNixDaemon(): Promise<void> {
    const daemon = this.rig.node.spawn('nix-daemon', ['nix-daemon']);
    this.#nixDaemon = daemon;
    const isThere = ['test', '-S', DAEMON_SOCKET];
    await waitFor(daemon, async () => (await this.rig.node.exec(isThere, { reject: false })).exitCode === 0);
  }

  async stopNixDaemon(): Promise<void> {
    await this.#nixDaemon?.stop();
    this.#nixDaemon = undefined;
    await this.rig.node.exec(['rm', '-f', DAEMON_SOCKET]);
  }

  /** What ctr's pull of a path makes of it. */
  async pull(path: string): Promise<ExecResult> {
    return await new CommandLines(this.rig).pull('ctr', path);
  }

  /** As it was in the beginning. */
  async restore(): Promise<void> {
    const { node, cache, snapshotter } = this.rig;
    await cache.setFaults([]);
    await this.stopNixDaemon();
    await node.sh(`! mountpoint --quiet ${FILLED} || umount -l ${FILLED}`);
    await node.sh(`mount -o remount,rw,size=${NIX_SIZE} /nix; rm -rf /root/.cache/nix /etc/nix/netrc`);
    await this.#writeNixConf();
    if (this.#isConfigured) await this.rig.configure(config());
    else if (!snapshotter.process.running) await snapshotter.start();
    this.#isConfigured = false;
  }

  async #writeNixConf(lines: readonly string[] = []): Promise<void> {
    const { node, cache } = this.rig;
    await configureNix(node, { substituters: [cache], lines: ['download-attempts = 1', ...lines] });
  }

  async down(): Promise<void> {
    await this.#services.stop();
    await this.rig.down();
  }
}

function config(further = '', deadline = '2m'): string {
  return `${RESOLVER_CONFIG}deadline = "${deadline}"\n[gc]\ngrace = "1s"\n${further}`;
}

/** All greeters, as Nix has it. */
function expression(busybox: string): string {
  const system = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux`;
  const given = JSON.stringify({ namesFile: NAMES, busybox, system, machine: FOREIGN_MACHINE });
  return `(import ${EXPRESSION} (builtins.fromJSON ''${given}''))`;
}
