import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Finding } from '../../src/doctor/finding.ts';
import { StatusError } from '../../src/errors.ts';
import { createRpcClient } from '../../src/rpc/client.ts';
import { viewHelper } from '../../src/rpc/view-helper-proto.ts';
import { busyboxArchive, BUSYBOX_IMAGE } from '../fixtures/images.ts';
import { buildPackages, closureOf } from '../fixtures/packages.ts';
import { GREETING } from './support/greeter.ts';
import { ADDED, type InterleavedImage, interleavedImage } from './support/interleaved.ts';
import { matrix } from './support/matrix.ts';
import { eventually } from './support/rig.ts';
import { HELPER_ROOT, HELPER_SOCKET, PROGRAM, ROOT, RootlessNode, USER } from './support/rootless.ts';
import { printed } from './support/printed.ts';

/** The containerd that everything is tested on; on others, that images run and how they are shown. */
const FULL = '1.7';
const INTERLEAVED = 'localhost/interleaved:1';

for (const row of await matrix(['1.7', '2.3'], ['rootless', 'nerdctl'])) {
  describe(`rootless containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: RootlessNode;
    let image: string;
    let busybox: string;
    let interleaved: InterleavedImage;

    before(async () => {
      rig = await RootlessNode.up(row);
      interleaved = await interleavedImage(rig);
      busybox = await ownBusybox(rig);
      image = `nix:0${busybox}`;
      await rig.configure('[view_helper]\naddress = "off"\n');
    });
    after(async () => await rig.down());

    const run = async (...args: readonly string[]) =>
      await printed(async () => await rig.nerdctl(['run', '--rm', '--quiet', '--net', 'none', ...args]));
    const start = async (name: string, of = image, command = 'sleep 1000'): Promise<AsyncDisposable> => {
      const flags = ['--detach', '--quiet', '--net', 'none', '--name', name];
      await rig.nerdctl(['run', ...flags, of, 'sh', '-c', command]);
      return { [Symbol.asyncDispose]: async () => void (await rig.nerdctl(['rm', '--force', name])) };
    };
    const exec = async (name: string, text: string) =>
      (await rig.nerdctl(['exec', name, 'sh', '-c', text])).stdout;
    const list = async (directory: string) =>
      (await rig.node.sh(`ls -A ${directory}`)).stdout.split('\n').filter(Boolean);
    const isThere = async (path: string) =>
      (await list('/nix/store')).includes(path.slice('/nix/store/'.length));
    const storeMounts = async (name: string) =>
      Number(await exec(name, 'grep -c " /nix/store/" /proc/self/mountinfo || true'));
    /** An image of store paths, an ordinary one, and one of both. */
    const assertAllRun = async () => {
      assert.equal(
        await run(image, 'sh', '-c', 'id -u; ls /nix/store'),
        `0\n${busybox.slice('/nix/store/'.length)}`,
      );
      assert.equal(await run(BUSYBOX_IMAGE, 'echo', 'ordinary'), 'ordinary');
      const redis = `${interleaved.packages.redis}/bin/redis-cli --version`;
      const said = await run(INTERLEAVED, 'sh', '-c', `cat /app/added; greet; ${redis}`);
      assert.ok(said.startsWith(`${ADDED}${GREETING}\nredis-cli `), said);
      const [shown] = (await run(INTERLEAVED, 'sh', '-c', 'ls /nix/store | wc -l')).split('\n');
      assert.equal(Number(shown), interleaved.closure.length);
    };

    it('doctor, as the user, sees through to containerd, and finds no more than the view', async () => {
      const { stdout } = await rig.asUser([...PROGRAM, 'doctor', '--json'], { reject: false });
      const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
      const ids = (isGood: boolean) =>
        findings.filter(({ level }) => (level === 'ok') === isGood).map(({ id }) => id);
      // The cache of this node is empty: it does not say that it is one.
      assert.deepEqual(
        ids(false).filter((id) => id !== 'substituter-down'),
        ['view-binds'],
      );
      for (const id of ['rootless', 'containerd', 'containerd-config', 'setup', 'nix'])
        assert.ok(ids(true).includes(id), id);
    });

    it('takes binds by itself, and says why', async () => {
      const { view, nix_store: store } = await rig.status();
      assert.equal(view?.mode, 'binds');
      assert.match(view?.reason ?? '', /runs in a user namespace/);
      assert.equal(store?.backend, 'daemon');
    });

    it('finds what hinders it', async () => {
      assert.equal((await rig.rootless(['--check'])).stdout, 'nothing hinders containers without root here');
      const { exitCode, stderr } = await rig.rootless(['--state-dir', '/tmp/none']);
      assert.match(`${exitCode} ${stderr}`, /^1 .*RootlessKit does not run: \/tmp\/none\/child_pid/);
      await rig.node.sh('mv /etc/subuid /etc/subuid.away');
      const without = await rig.rootless(['--check']);
      assert.match(`${without.exitCode} ${without.stdout}`, /^1 problem {2}\/etc\/subuid gives alice 0 ids/);
      await rig.node.sh('mv /etc/subuid.away /etc/subuid');
    });

    it('runs images of store paths, ordinary ones, and both in one', async () => {
      await rig.nerdctl(['load', '--input', await busyboxArchive(rig.node)]);
      await rig.nix2container(['load', interleaved.layout]);
      await assertAllRun();
    });

    if (row.release === FULL)
      it('logs, exec, cp; a restart of the daemon; Nix keeps what runs and gets the rest', async () => {
        {
          await using _ = await start('life', image, 'echo started; echo beside >&2; sleep 1000');
          await eventually(async () => {
            const { stdout, stderr } = await rig.nerdctl(['logs', 'life']);
            assert.deepEqual([stdout, stderr], ['started', 'beside']);
          });
          assert.equal(await storeMounts('life'), 1);
          await rig.restartDaemon();
          await rig.node.exec(['nix-store', '--gc']);
          assert.equal(await exec('life', 'echo of the container > /file; echo alive'), 'alive');
          await rig.nerdctl(['cp', 'life:/file', '/tmp/alice/file']);
          await rig.nerdctl(['cp', `life:${busybox}/bin/busybox`, '/tmp/alice/busybox']);
          await rig.node.sh(
            `cmp /tmp/alice/busybox ${busybox}/bin/busybox; grep -qx 'of the container' /tmp/alice/file`,
          );
          assert.equal((await rig.node.sh(`stat -c %u ${ROOT}/gcroots/* | sort -u`)).stdout, String(USER));
        }
        await rig.nerdctl(['rmi', '--force', image]);
        await eventually(async () => {
          await rig.node.exec(['nix-store', '--gc']);
          assert.equal(await isThere(busybox), false);
        });
        assert.ok(await isThere(interleaved.last), 'the other image is still there');
        assert.equal(await ownBusybox(rig), busybox);
      });

    describe('with the view helper', () => {
      before(async () => await rig.configure(''));

      it('gives a container one mount, and the node one for each closure', async () => {
        assert.deepEqual((await rig.status()).view, {
          mode: 'overlay',
          reason: `default, made by the view helper on ${HELPER_SOCKET}`,
        });
        await assertAllRun();
        await using stack = new AsyncDisposableStack();
        for (const name of ['one', 'two']) stack.use(await start(name, INTERLEAVED));
        assert.equal(await storeMounts('one'), 0);
        const views = await list(`${HELPER_ROOT}/views`);
        assert.deepEqual(await list(`${HELPER_ROOT}/gcroots`), views);
        assert.equal(views.length, 3, 'two closures of the interleaved image, one of the store path');
        const mounts = (await rig.node.readFile('/proc/1/mountinfo')).split('\n');
        assert.equal(mounts.filter((line) => line.includes(`${HELPER_ROOT}/views/`)).length, views.length);
        await exec('one', 'echo mine > /app/added; echo new > /nix/store/beside; rm -r /tmp; mkdir /tmp');
        assert.equal(await exec('two', 'ls -d /nix/store/beside || stat -c %u:%a /nix/store'), '0:755');
        assert.equal(await exec('two', 'cat /app/added'), ADDED.trimEnd());
      });

      if (row.release !== FULL) return;

      it('containers outlive the helper, the daemon and what they held; the next one asks again', async () => {
        const { redis } = interleaved.packages;
        {
          await using _ = await start('survivor', INTERLEAVED);
          await rig.helper.kill9();
          await rig.stopDaemon();
          await rig.startHelper();
          // It took over what was mounted: one view is nobody's, two are what a container stands on.
          await eventually(async () => assert.equal((await list(`${HELPER_ROOT}/views`)).length, 2));
          await rig.node.exec(['nix-store', '--gc']);
          await rig.restartDaemon();
          assert.match(await exec('survivor', `${redis}/bin/redis-cli --version`), /^redis-cli /);
          assert.equal(await run(INTERLEAVED, 'greet'), GREETING);
          await rig.nerdctl(['stop', '--time', '0', 'survivor']);
          await rig.nerdctl(['start', 'survivor']);
          assert.equal(await exec('survivor', 'greet'), GREETING);
        }
        await rig.nerdctl(['rmi', '--force', INTERLEAVED]);
        await eventually(async () => assert.deepEqual(await list(`${HELPER_ROOT}/views`), []));
        assert.deepEqual(await list(`${HELPER_ROOT}/gcroots`), []);
      });

      it('falls back to binds without the helper, and says why', async () => {
        await rig.nerdctl(['create', '--quiet', '--net', 'none', '--name', 'later', image, 'sleep', '1000']);
        await rig.helper.stop();
        const { stderr } = await rig.nerdctl(['start', 'later'], { reject: false });
        assert.match(stderr, new RegExp(`view helper ${HELPER_SOCKET}: .*; start it`));
        await using _ = await start('bound');
        assert.equal(await storeMounts('bound'), 1);
        const { view } = await rig.status();
        assert.equal(view?.mode, 'binds');
        assert.match(view?.reason ?? '', new RegExp(`view helper ${HELPER_SOCKET}: `));
        await rig.startHelper();
        await rig.nerdctl(['start', 'later']);
        assert.equal(await storeMounts('later'), 0);
        await rig.nerdctl(['rm', '--force', 'later']);
      });
    });

    if (row.release === FULL) describe('the view helper', () => hostile(() => rig));
  });
}

/** A store path that no image but one of its own has. */
async function ownBusybox({ node }: RootlessNode): Promise<string> {
  const applets = 'cat echo grep id ls sh sleep wc';
  const links = `for name in ${applets}; do ln -sf busybox own-busybox/bin/$name; done`;
  await node.sh(`cd /tmp; mkdir -p own-busybox/bin; cp /usr/bin/busybox own-busybox/bin; ${links}`);
  return (await node.exec(['nix-store', '--add', '/tmp/own-busybox'])).stdout;
}

/** Requests as anybody may send them who is that user. */
function hostile(rigOf: () => RootlessNode): void {
  let packages: Record<'greeter' | 'busybox' | 'linkOutside', string>;
  const node = () => rigOf().node;

  before(async () => {
    await rigOf().stopDaemon();
    packages = await buildPackages(node(), ['greeter', 'busybox', 'linkOutside']);
  });

  const client = () =>
    createRpcClient({ address: node().hostPath(HELPER_SOCKET), maxMessageBytes: 256 * 1024 * 1024 });
  const hold = async (paths: readonly string[]): Promise<AsyncDisposable & { readonly root: string }> => {
    const own = client();
    const call = new AbortController();
    const end = () => {
      call.abort();
      own.close();
    };
    try {
      const stream = own.service(viewHelper).Hold({ store_paths: [...paths] }, { signal: call.signal });
      const { value, done } = await stream[Symbol.asyncIterator]().next();
      assert.ok(done !== true);
      return { root: value.root, [Symbol.asyncDispose]: async () => end() };
    } catch (error) {
      end();
      throw error;
    }
  };
  const refused = async (paths: readonly string[], expected: RegExp) => {
    try {
      await using _ = await hold(paths);
    } catch (error) {
      assert.ok(error instanceof StatusError, String(error));
      assert.match(`${error.code} ${error.message}`, expected);
      return;
    }
    assert.fail('it was not refused');
  };
  const left = async () =>
    (
      await node().sh(
        `ls -A ${HELPER_ROOT}/views ${HELPER_ROOT}/gcroots; grep -c /views/ /proc/1/mountinfo || true`,
      )
    ).stdout;
  const nothingLeft = async () =>
    await eventually(async () =>
      assert.equal(await left(), `${HELPER_ROOT}/gcroots:\n\n${HELPER_ROOT}/views:\n0`),
    );

  it('shows a whole closure, read-only, to nobody but the user, and takes it back', async () => {
    const closure = await closureOf(node(), [packages.greeter, packages.linkOutside]);
    {
      await using view = await hold(closure);
      const shown = (await node().sh(`ls ${view.root}/nix/store`)).stdout.split('\n');
      assert.deepEqual(
        shown.map((name) => `/nix/store/${name}`),
        closure,
      );
      const link = `${view.root}${packages.linkOutside}`;
      assert.equal(
        (await node().sh(`readlink ${link}`)).stdout,
        (await node().sh(`readlink ${packages.linkOutside}`)).stdout,
      );
      const write = await node().sh(`touch ${view.root}/nix/store/new`, { reject: false });
      assert.match(write.stderr, /Read-only file system/);
      const other = ['setpriv', '--reuid=1001', '--regid=1001', '--clear-groups', 'node', '-e', CONNECT];
      assert.match((await node().exec(other, { reject: false })).stderr, /EACCES/);
    }
    await nothingLeft();
  });

  it('refuses whatever is no valid store path', async () => {
    const name = 'x'.repeat(20);
    const absent = `/nix/store/${'0'.repeat(32)}-${name}`;
    const planted = `/nix/store/${'1'.repeat(32)}-${name}`;
    await node().sh(`mkdir ${planted}; echo secret > ${planted}/file`);
    await refused([], /^InvalidArgument .*not 0/);
    for (const text of [
      '/etc/shadow',
      `${absent}/..`,
      `${absent}\n`,
      `${packages.busybox}\n/etc`,
      '/nix/store',
      '../etc',
    ]) {
      await refused([packages.busybox, text], /^InvalidArgument store_paths\[1\]/);
    }
    await refused([packages.busybox, absent], /^FailedPrecondition .* is not valid on this host/);
    await refused([planted], /^FailedPrecondition .* is not valid on this host/);
    await refused(
      Array.from({ length: 20_001 }, () => absent),
      /^InvalidArgument .*not 20001/,
    );
    await refused(
      Array.from({ length: 1_000_000 }, () => absent),
      /^ResourceExhausted/,
    );
    await node().sh(`rm -r ${planted}`);
    await nothingLeft();
  });

  it('stands garbage, and connections that say nothing', async () => {
    const sockets = Array.from({ length: 20 }, () => connect(node().hostPath(HELPER_SOCKET)));
    for (const socket of sockets) socket.on('error', () => socket.destroy());
    sockets[0]?.write(Buffer.alloc(1024 * 1024, 'garbage'));
    await eventually(async () => assert.ok(sockets.filter((socket) => socket.closed).length >= 13));
    for (const socket of sockets) socket.destroy();
    await eventually(async () => {
      await using view = await hold([packages.busybox]);
      assert.ok(view.root.startsWith(HELPER_ROOT));
    });
    await nothingLeft();
  });

  it('has room for so many views, and gives unused ones up for another', async () => {
    await rigOf().helper.stop();
    await rigOf().startHelper('max_views = 1\n');
    {
      await using _ = await hold([packages.busybox]);
      await refused([packages.linkOutside], /^ResourceExhausted .*max_views = 1/);
    }
    await eventually(async () => {
      await using _ = await hold([packages.linkOutside]);
    });
    await nothingLeft();
  });

  it('keeps another helper out of its root', async () => {
    await node().writeFile('/tmp/second.toml', '[view_helper]\naddress = "/run/second.sock"\n');
    const second = [...PROGRAM, 'view-helper', '--user', String(USER), '--config', '/tmp/second.toml'];
    const { exitCode, stderr } = await node().exec(['timeout', '20', ...second], { reject: false });
    assert.match(`${exitCode} ${stderr}`, new RegExp(`^1 .*${HELPER_ROOT} .* cannot be locked`));
  });

  it('shows a part of a closure, and keeps all of it', async () => {
    const closure = await closureOf(node(), [packages.greeter]);
    assert.ok(closure.length > 1);
    await using view = await hold([packages.greeter]);
    await node().exec(['nix-store', '--gc']);
    assert.equal(
      (await node().sh(`ls ${view.root}/nix/store`)).stdout,
      packages.greeter.slice('/nix/store/'.length),
    );
    assert.deepEqual(await closureOf(node(), [packages.greeter]), closure);
    await node().sh(`ls -d ${closure.join(' ')}`);
  });

  it('cannot be told to collect what it shows', async () => {
    await using view = await hold([packages.busybox]);
    await node().exec(['nix-store', '--gc']);
    assert.equal(
      (await node().sh(`ls ${view.root}/nix/store`)).stdout,
      packages.busybox.slice('/nix/store/'.length),
    );
  });
}

const CONNECT = `require('net').connect('${HELPER_SOCKET}').on('error', (error) => { throw error; })`;
