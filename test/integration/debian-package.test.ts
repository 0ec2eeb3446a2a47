import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import packageJson from '../../package.json' with { type: 'json' };
import { buildPackages } from '../fixtures/packages.ts';
import { projectRoot } from '../sandbox/layout.ts';
import type { SandboxProcess } from '../sandbox/process.ts';
import { waitFor } from '../sandbox/wait-for.ts';
import { GREETING } from './support/greeter.ts';
import { matrix } from './support/matrix.ts';
import { MAIN, ROOT, SetupNode } from './support/setup.ts';
import { printed } from './support/printed.ts';

const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';
const DEB = `nix-snapshotter_${packageJson.version}_${ARCH}.deb`;
const UNIT = '/usr/lib/systemd/system/nix-snapshotter.service';
const [row] = await matrix(['1.7'], ['nerdctl']);

describe('the Debian package on a node without Node', { skip: row?.skip ?? false }, () => {
  let scratch: string;
  /** SHA-256 of the package, built twice at the same time. */
  let built: readonly [string, string];
  let rig: SetupNode;
  let daemon: SandboxProcess;
  let packages: Readonly<Record<'busybox' | 'greeter', string>>;
  /** Files that were there before the package was. */
  let others: ReadonlySet<string>;
  let configuration: string;

  before(async () => {
    assert.ok(row);
    scratch = await mkdtemp(join(tmpdir(), 'debian-package-'));
    built = await Promise.all([
      buildDeb('first'),
      buildDeb('second', { UMASK: '077', TZ: 'Asia/Tokyo', LC_ALL: 'C' }),
    ]);
    rig = await SetupNode.up(row);
    const { node } = rig;
    packages = await buildPackages(node, ['busybox', 'greeter']);
    // dpkg's database as a node's own, no Node in PATH, and nothing of the checkout.
    await node.sh(`cp -a /var/lib/dpkg /tmp/dpkg; umount /var/lib/dpkg; cp -a /tmp/dpkg/. /var/lib/dpkg; mkdir /var/lib/systemd
      umount /usr/local/bin/node /opt/nix-snapshotter; rm /usr/local/bin/node`);
    await node.copyIn(join(scratch, 'first', DEB), `/tmp/${DEB}`);
    others = await allFiles();
    configuration = await rig.files();
  });
  after(async () => {
    await rig.node.down();
    await rm(scratch, { recursive: true });
  });

  /** Builds the package as `npm run package:deb` does, in an environment that shall not matter. */
  async function buildDeb(name: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const out = join(scratch, name);
    const build = `umask ${env['UMASK'] ?? '022'}; exec "$0" modules/debian/build.ts --compression zstd --out "$1"`;
    await execa('sh', ['-euc', build, process.execPath, out], {
      cwd: projectRoot,
      env: { SOURCE_DATE_EPOCH: '1700000000', ...env },
    });
    return createHash('sha256')
      .update(await readFile(join(out, DEB)))
      .digest('hex');
  }
  const dpkg = async (...args: readonly string[]) =>
    await rig.node.exec(['dpkg', '--force-unsafe-io', ...args], { env: rig.env, reject: false });
  /** Every file that packages, setup or the daemon could leave, but for what containerd and Nix keep for themselves. */
  async function allFiles(): Promise<ReadonlySet<string>> {
    const skipped = ['/var/lib/containerd', '/var/lib/dpkg', '/var/lib/nerdctl', '/var/lib/cni', '/etc/cni'];
    const prune = skipped.map((path) => `-path ${path}`).join(' -o ');
    const find = `find /usr /etc /opt /run /root /var/lib \\( ${prune} -o -path /run/containerd \\) -prune -o -print`;
    return new Set((await rig.node.sh(find)).stdout.split('\n'));
  }
  const status = async () => (await rig.run(['nix-snapshotter', 'status', '--json'])).trim();
  /** Starts the daemon as the unit does. */
  async function startDaemon(): Promise<void> {
    const command = /^ExecStart=(.+)$/m.exec(await rig.node.readFile(UNIT))?.[1]?.split(' ') ?? [];
    daemon = rig.node.spawn('packaged-daemon', command, rig.env);
    await waitFor(daemon, async () => await status().then(Boolean, () => false));
  }

  it('has the same bytes whoever builds it, wherever', () => {
    assert.equal(built[0], built[1]);
  });

  it('installs, and its programs run', async () => {
    const { exitCode, stderr } = await dpkg('--install', `/tmp/${DEB}`);
    assert.equal(exitCode, 0, stderr);
    assert.equal((await rig.node.exec(['sh', '-c', 'command -v node'], { reject: false })).stdout, '');
    for (const program of ['nix-snapshotter', 'nix2container']) {
      assert.equal(await rig.run([program, '--version']), packageJson.version);
    }
    // The node's dpkg leaves manual pages out.
    const contents = await rig.run(['dpkg-deb', '--contents', `/tmp/${DEB}`]);
    for (const file of [
      'man/man8/nix-snapshotter.8.gz',
      'man/man1/nix2container.1.gz',
      'bash-completion/completions/nix-snapshotter',
      'zsh/vendor-completions/_nix2container',
      'fish/vendor_completions.d/nix-snapshotter.fish',
    ])
      assert.ok(`${contents}\n`.includes(` ./usr/share/${file}\n`), file);
    const wanted = await rig.run(['find', '/etc/systemd/system', '-name', 'nix-snapshotter.*']);
    assert.match(wanted, /multi-user\.target\.wants\/nix-snapshotter\.service/);
    assert.match(wanted, /sockets\.target\.wants\/nix-snapshotter\.socket/);
    assert.equal(await rig.files(), configuration, 'containerd is as it was');
  });

  it('sets containerd up; its daemon, started as the unit does, runs store paths', async () => {
    await rig.run(['nix-snapshotter', 'setup', '--containerd', '--nerdctl', '--hosts']);
    await startDaemon();
    await rig.containerd.restart();
    const run = ['run', '--rm', '--net', 'none', '--quiet', `nix:0${packages.greeter}`];
    assert.equal(await printed(async () => await rig.containerd.nerdctl(run)), GREETING);
    const keep = ['run', '--detach', '--name', 'kept', '--net', 'none', `nix:0${packages.busybox}`];
    await rig.containerd.nerdctl([...keep, `${packages.busybox}/bin/sleep`, '1000']);
  });

  const kept = async () =>
    (await rig.containerd.nerdctl(['exec', 'kept', `${packages.busybox}/bin/echo`, 'here'])).stdout;

  it('an upgrade keeps what is there, and restarts what runs', async () => {
    const main = await rig.node.readFile(MAIN);
    // A lease that is deleted with --sync has containerd collect what `run --rm` has left.
    await rig.containerd.ctr(['leases', 'create', '--id', 'collect']);
    await rig.containerd.ctr(['leases', 'delete', '--sync', 'collect']);
    const there = await snapshots();
    const [systemctl, calls] = ['/usr/local/bin/systemctl', '/tmp/systemctl-calls'];
    await rig.node.writeFile(systemctl, `#!/bin/sh\necho "$*" >> ${calls}\n`, 0o755);
    // In the test bed nothing may be started.
    const policy = '/usr/sbin/policy-rc.d';
    await rig.node.sh(`mkdir -p /run/systemd/system; mv ${policy} /tmp/policy`);
    assert.equal((await dpkg('--install', `/tmp/${DEB}`)).exitCode, 0);
    await rig.node.sh(`rm -r ${systemctl} /run/systemd; mv /tmp/policy ${policy}`);
    const called = await rig.node.readFile(calls);
    assert.match(called, /restart nix-snapshotter\.service\n/);
    assert.match(called, /^try-restart nix-snapshotter-view-helper@\*\.service$/m);
    await daemon.stop();
    await startDaemon();
    assert.equal(await rig.node.readFile(MAIN), main);
    assert.deepEqual(await snapshots(), there);
    assert.equal(await kept(), 'here');
  });

  async function snapshots(): Promise<readonly string[]> {
    const { stdout } = await rig.node.exec(['ls', `${ROOT}/snapshots`]);
    return stdout.split('\n');
  }

  it('removal takes back what setup wrote, and leaves state and containers', async () => {
    const { exitCode, stderr } = await dpkg('--remove', 'nix-snapshotter');
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /restart containerd/);
    assert.equal(await rig.files(), configuration);
    await daemon.stop();
    assert.equal(await kept(), 'here');
    assert.ok((await snapshots()).length > 1);
  });

  it('a purge is refused as long as a container has its root file system there', async () => {
    const { exitCode, stderr } = await dpkg('--purge', 'nix-snapshotter');
    assert.notEqual(exitCode, 0);
    assert.match(
      stderr,
      /is kept: containers have their root file systems there:\n(?:.*\n)*\/run\/containerd\//,
    );
    assert.equal(await kept(), 'here');
    assert.ok((await snapshots()).length > 1);
  });

  it('a purge is refused where a container is seen in its own mount namespace alone, and then leaves nothing', async () => {
    const helper = '/var/lib/nix-snapshotter-view-helper';
    const views = `${helper}/1000`;
    // On another disk, as an administrator may have put it.
    await rig.node.sh(`test ! -e ${helper}; mkdir /srv/views; ln -s /srv/views ${helper}`);
    await rig.node.sh(
      `mkdir -p ${views} /tmp/rootfs; mount -t tmpfs views ${views}; mkdir ${views}/one ${views}/two`,
    );
    // As RootlessKit has the root file systems of a user's containers.
    const overlay = `mount -t overlay -o lowerdir=${views}/one:${views}/two rootfs /tmp/rootfs`;
    const rootless = rig.node.spawn('rootless', [
      'unshare',
      '--mount',
      'sh',
      '-euc',
      `${overlay}; touch /tmp/mounted; exec sleep 1000`,
    ]);
    await waitFor(
      rootless,
      async () => (await rig.node.exec(['ls', '/tmp/mounted'], { reject: false })).exitCode === 0,
    );
    // Its snapshot cannot be removed without the daemon; its mount goes.
    await rig.containerd.nerdctl(['rm', '--force', 'kept'], { reject: false });
    await waitFor(
      rig.containerd.process,
      async () => !(await rig.node.readFile('/proc/1/mounts')).includes('/run/containerd/'),
    );
    const refused = await dpkg('--purge', 'nix-snapshotter');
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /view-helper is kept: .* there:\n\/tmp\/rootfs\n/);
    await rig.node.exec(['ls', `${views}/one`]);
    await rootless.stop();
    const { exitCode, stderr } = await dpkg('--purge', 'nix-snapshotter');
    assert.equal(exitCode, 0, stderr);
    assert.doesNotMatch(
      await rig.node.readFile('/proc/1/mountinfo'),
      /snapshotter\.v1\.nix|view-helper|\/srv\/views/,
    );
    assert.equal((await rig.node.exec(['ls', ROOT], { reject: false })).exitCode, 2);
    assert.deepEqual(
      [...(await allFiles())].filter((path) => !others.has(path)),
      [],
    );
  });
});
