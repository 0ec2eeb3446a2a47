import { rmSync } from 'node:fs';
import type { Finding } from '../../../src/doctor/finding.ts';
import { type BinaryCache, binaryCache } from '../../fixtures/binary-cache.ts';
import { configureNix } from '../../fixtures/nix-config.ts';
import { buildPackages } from '../../fixtures/packages.ts';
import { SNAPSHOTTER_SOCKET } from '../../sandbox/containerd.ts';
import { inside } from '../../sandbox/layout.ts';
import type { SandboxProcess } from '../../sandbox/process.ts';
import { accepts } from '../../sandbox/snapshotter.ts';
import { waitFor } from '../../sandbox/wait-for.ts';
import type { Row } from './matrix.ts';
import { ServiceManager } from './service-manager.ts';
import { SetupNode } from './setup.ts';

const PROGRAM = ['node', `${inside.project}/dist/nix-snapshotter.mjs`];
const NIX_SOCKET = '/nix/var/nix/daemon-socket/socket';
/** Commands of fixes that only show something, by programs that are not on the node. */
const SHOWING = /^(?:journalctl|systemctl cat) /;

export interface Diagnosis {
  readonly exitCode: number | undefined;
  readonly findings: readonly Finding[];
  /** Ids of what is not as it should be, each once, in the order of the alphabet. */
  readonly troubles: readonly string[];
}

/** A node on which everything is as it should be, until a test breaks it. */
export class DoctorNode {
  readonly rig: SetupNode;
  readonly cache: BinaryCache;
  readonly greeter: string;
  readonly systemd: ServiceManager;
  readonly #nix: { process: SandboxProcess };

  private constructor(parts: {
    readonly rig: SetupNode;
    readonly cache: BinaryCache;
    readonly greeter: string;
    readonly nix: { process: SandboxProcess };
  }) {
    this.rig = parts.rig;
    this.cache = parts.cache;
    this.greeter = parts.greeter;
    this.#nix = parts.nix;
    this.systemd = new ServiceManager({
      node: this.rig.node,
      containerd: this.rig.containerd,
      environment: this.rig.env,
      others: { 'nix-daemon': async () => await this.#restartNix() },
    });
  }

  /** With Nix's daemon and a cache, and nothing set up. */
  static async up(row: Pick<Row, 'suite' | 'version'>): Promise<DoctorNode> {
    const rig = await SetupNode.up(row);
    const { node } = rig;
    try {
      const { greeter } = await buildPackages(node, ['greeter']);
      const cache = await binaryCache(node, [greeter], { signed: true });
      await configureNix(node, { substituters: [cache] });
      const nix = { process: node.spawn('nix-daemon', ['nix-daemon']) };
      await node.writeFile('/etc/systemd/system/nix-snapshotter.service', `ExecStart=${PROGRAM.join(' ')}\n`);
      const script = `#!/bin/sh\nexec ${PROGRAM.join(' ')} "$@"\n`;
      await node.writeFile('/usr/local/bin/nix-snapshotter', script, 0o755);
      const it = new DoctorNode({ rig, cache, greeter, nix });
      await it.systemd.start();
      return it;
    } catch (error) {
      await node.down();
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.systemd.stop();
    await this.rig.node.down();
  }

  /** Runs `nix-snapshotter doctor --json`. */
  async doctor(...args: readonly string[]): Promise<Diagnosis> {
    const { node, env } = this.rig;
    const command = [...PROGRAM, 'doctor', '--json', ...args];
    const { stdout, stderr, exitCode } = await node.exec(command, { env, reject: false });
    if (stdout === '') throw new Error(`doctor says nothing: ${stderr}`);
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
    const troubles = findings.filter(({ level }) => level !== 'ok').map(({ id }) => id);
    return { exitCode, findings, troubles: [...new Set(troubles)].toSorted() };
  }

  /** Runs a shell command of the node, with containerd's and our programs in PATH. */
  async sh(command: string): Promise<void> {
    await this.rig.node.sh(command, { env: this.rig.env });
  }

  /** Runs the commands of all fixes, each once, the last time that it is named, and waits for what they have started. */
  async mend({ findings }: Diagnosis): Promise<void> {
    const commands = new Set(findings.flatMap((finding) => finding.commands).toReversed());
    for (const command of [...commands].toReversed()) if (!SHOWING.test(command)) await this.sh(command);
    await this.settled();
  }

  /** Waits until the daemon and Nix's accept connections. */
  async settled(): Promise<void> {
    const { daemon } = this.systemd;
    const { node } = this.rig;
    if (daemon?.running === true)
      await waitFor(daemon, async () => await accepts(node.hostPath(SNAPSHOTTER_SOCKET)));
    await waitFor(this.#nix.process, async () => await accepts(node.hostPath(NIX_SOCKET)));
  }

  /** Ends Nix's daemon; its socket stays, as `kill -9` leaves it. */
  async killNix(): Promise<void> {
    await this.#nix.process.kill9();
  }

  async #restartNix(): Promise<void> {
    await this.#nix.process.kill9();
    rmSync(this.rig.node.hostPath(NIX_SOCKET), { force: true });
    this.#nix.process = this.rig.node.spawn('nix-daemon', ['nix-daemon']);
  }
}
