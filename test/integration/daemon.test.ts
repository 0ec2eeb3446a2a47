import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { createRpcClient } from '../../src/rpc/client.ts';
import { health, snapshots } from '../../src/rpc/proto.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { inside } from '../sandbox/layout.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { waitFor } from '../sandbox/wait-for.ts';
import { DaemonRig, refused, runProgram } from './bad-input/daemon-rig.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));
const SERVICE = 'containerd.services.snapshots.v1.Snapshots';
const BUNDLE = `${inside.project}/dist/nix-snapshotter.mjs`;

const mode = (node: Sandbox, path: string) =>
  (lstatSync(node.hostPath(path)).mode & 0o7777).toString(8).padStart(4, '0');

describe('the daemon', { skip }, () => {
  it('starts, says what it holds, and how much memory it needs when idle', async (t) => {
    const start = performance.now();
    await using rig = await DaemonRig.up();
    t.diagnostic(`node and daemon up in ${Math.round(performance.now() - start)} ms`);
    await rig.snapshots.Prepare({ key: 'k' });
    await rig.snapshots.View({ key: 'v' });

    const text = await runProgram(rig.node, ['status', '--address', rig.daemon.socket]);
    assert.equal(text.exitCode, 0, text.stderr);
    assert.match(
      text.stdout,
      /^nix-snapshotter \S+, pid \d+, on \/run\/nix-snapshotter\/nix-snapshotter\.sock$/m,
    );
    assert.match(text.stdout, /^snapshots {2}0 committed, 1 active, 1 view, 0 degraded$/m);
    const json = await runProgram(rig.node, ['status', '--json', '--address', rig.daemon.socket]);
    const status = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.equal(status['version'], packageJson.version);
    assert.equal(status['root'], rig.daemon.root);
    assert.equal(status['address'], rig.daemon.socket);
    assert.deepEqual(status['snapshots'], { active: 1, view: 1, committed: 0, degraded: 0 });
    assert.deepEqual(status['problems'], []);
    assert.ok(Math.abs(Date.now() - Date.parse(String(status['started_at']))) < 3_600_000);

    const memory = readFileSync(`/proc/${await rig.daemon.process.pid()}/status`, 'utf8');
    t.diagnostic(`idle: ${/VmRSS:\s+(\d+ kB)/.exec(memory)?.[1] ?? '?'} resident`);
  });

  it('reports its health, and NOT_SERVING when it stops', async () => {
    await using rig = await DaemonRig.up();
    using client = rig.client();
    const service = client.service(health);
    assert.equal((await service.Check({})).status, 'SERVING');
    assert.equal((await service.Check({ service: SERVICE })).status, 'SERVING');
    await refused(service.Check({ service: 'none.Such' }), 'NotFound', 'none.Such');
    const watched = service.Watch({ service: SERVICE })[Symbol.asyncIterator]();
    assert.equal((await watched.next()).value?.status, 'SERVING');
    const unknown = service.Watch({ service: 'none.Such' })[Symbol.asyncIterator]();
    assert.equal((await unknown.next()).value?.status, 'SERVICE_UNKNOWN');
    const ending = rig.daemon.stop();
    assert.equal((await watched.next()).value?.status, 'NOT_SERVING');
    assert.equal((await watched.next()).done, true);
    assert.equal((await unknown.next()).done, true);
    assert.deepEqual(await ending, { code: 0, signal: null });
  });

  for (const umask of ['000', '022', '077']) {
    it(`gives its files the same modes under umask ${umask}`, async () => {
      await using rig = await DaemonRig.up();
      const { node } = rig;
      const [root, socket] = ['/var/lib/other', '/run/other/a.sock'];
      const command = `umask ${umask}; exec node ${BUNDLE} --root ${root} --address ${socket}`;
      const program = node.spawn('other', ['sh', '-euc', command]);
      await waitFor(program, async () => existsSync(node.hostPath(socket)));
      using client = createRpcClient({ address: node.hostPath(socket) });
      await client.service(snapshots).Prepare({ key: 'k' });
      assert.deepEqual(
        {
          root: mode(node, root),
          snapshots: mode(node, `${root}/snapshots`),
          roots: mode(node, `${root}/gcroots`),
          socket: mode(node, socket),
          fs: mode(node, `${root}/snapshots/1/fs`),
          work: mode(node, `${root}/snapshots/1/work`),
        },
        { root: '0700', snapshots: '0700', roots: '0700', socket: '0600', fs: '0755', work: '0711' },
      );
      assert.deepEqual(await program.stop(), { code: 0, signal: null });
    });
  }

  it('serves on a socket that it inherits, and leaves its file', async () => {
    await using rig = await DaemonRig.up();
    const { node } = rig;
    const socket = '/run/activated.sock';
    // As systemd does: the listening socket is file descriptor 3 of the process that LISTEN_PID names.
    const perl = `
      use Socket; use POSIX ();
      $^F = 10;
      socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die $!;
      bind($s, pack_sockaddr_un('${socket}')) or die $!;
      listen($s, 16) or die $!;
      POSIX::dup2(fileno($s), 3);
      @ENV{qw(LISTEN_PID LISTEN_FDS)} = ($$, 1);
      exec 'node', '${BUNDLE}', '--root', '/var/lib/activated', '--address', '/run/unused.sock';`;
    const program = node.spawn('activated', ['perl', '-e', perl]);
    await waitFor(program, async () => existsSync(node.hostPath(socket)));
    using client = createRpcClient({ address: node.hostPath(socket) });
    await client.service(snapshots).Prepare({ key: 'k' });
    assert.equal(existsSync(node.hostPath('/run/unused.sock')), false);
    assert.deepEqual(await program.stop(), { code: 0, signal: null });
    assert.equal(existsSync(node.hostPath(socket)), true);
  });

  it('tells systemd when it is ready, and when it stops', async () => {
    await using rig = await DaemonRig.up();
    const { node } = rig;
    const [notify, socket] = ['/run/notify.sock', '/run/notified/a.sock'];
    // Debian keeps systemd-notify in a package that a node without systemd has not got: the same datagram by perl.
    const send = `use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
      send($s, shift, 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die $!;`;
    await node.writeFile('/usr/bin/systemd-notify', `#!/usr/bin/perl\n${send}\n`, 0o755);
    const receive = `use Socket; $| = 1; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
      bind($s, pack_sockaddr_un('${notify}')) or die $!;
      print "bound\\n"; my $text; while (defined recv($s, $text, 1000, 0)) { print "$text\\n" }`;
    const listener = node.spawn('listener', ['perl', '-e', receive]);
    const heard = (text: string) => readFileSync(listener.logFile, 'utf8').includes(`${text}\n`);
    await waitFor(listener, async () => heard('bound'));
    const args = ['--root', '/var/lib/notified', '--address', socket];
    const program = node.spawn('notified', ['node', BUNDLE, ...args], { NOTIFY_SOCKET: notify });
    await waitFor(program, async () => heard('READY=1'));
    using client = createRpcClient({ address: node.hostPath(socket) });
    await client.service(snapshots).Prepare({ key: 'k' });
    assert.equal(heard('STOPPING=1'), false);
    assert.deepEqual(await program.stop(), { code: 0, signal: null });
    assert.equal(heard('STOPPING=1'), true);
    await listener.kill9();
  });
});
