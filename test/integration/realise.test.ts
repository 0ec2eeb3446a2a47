import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { busyboxArchive } from '../fixtures/images.ts';
import { ensureTool } from '../sandbox/go-tools.ts';
import { inside } from '../sandbox/layout.ts';
import { type Footprint, footprint } from './support/footprint.ts';
import { type GreeterClosure, forget, GREETING, greeterClosure, ownImage } from './support/greeter.ts';
import { runContainer } from './support/container.ts';
import { ALL_VIEWS, viewMatrix, type ViewRow } from './support/matrix.ts';
import { startRegistry } from './support/registry.ts';
import { Rig, eventually } from './support/rig.ts';

const IMAGE = 'greeter:1';

for (const row of await viewMatrix(['nerdctl'], { ...ALL_VIEWS, overlay: ['1.7', '2.3'] })) {
  describe(`realising at pull, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let name: string;
    /** The same Nix layer on an ordinary one. */
    let onBase: string;
    let bare: Footprint;
    let pullProgram: readonly string[];
    /** Files of the cache: what describes greeter, and its archive. */
    let narinfo: string;
    let nar: string;

    before(async () => {
      rig = await Rig.up({ row });
      pullProgram = await pullProgramOf(row, rig);
      made = await greeterClosure(rig);
      name = `${(await startRegistry(rig.node)).address}/${IMAGE}`;
      onBase = `${name}-on-base`;
      await rig.nix2container(['push', await ownImage(rig, made, name)]);
      const base = ['--from-image', await busyboxArchive(rig.node)];
      await rig.nix2container(['push', await ownImage(rig, made, onBase, base)]);
      narinfo = `${made.greeter.slice('/nix/store/'.length).split('-', 1)[0] ?? ''}.narinfo`;
      nar = /^URL: (.*)$/m.exec(await rig.node.readFile(`${rig.cache.dir}/${narinfo}`))?.[1] ?? '';
      await forget(rig, made);
      bare = await footprint(rig);
    });
    afterEach(async () => {
      await rig.cache.setFaults([]);
      // A client that was killed leaves a lease, which would hold for a day.
      const leases = (await rig.containerd.ctr(['leases', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (leases.length > 0) await rig.containerd.ctr(['leases', 'rm', ...leases]);
      const names = (await rig.containerd.ctr(['image', 'ls', '-q'])).stdout.split('\n').filter(Boolean);
      if (names.length > 0) await rig.containerd.ctr(['image', 'rm', '--sync', ...names]);
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));
      await rig.node.exec(['nix-store', '--gc']);
    });
    after(async () => await rig.down());

    const pull = async (image = name) => await rig.node.exec([...pullProgram, image], { reject: false });
    const run = async (image = name) => (await runContainer(rig, { image, id: 'test' })).stdout;
    /** How often the cache gave out each archive since the call. */
    const countDownloads = async () => {
      const { length } = await rig.downloads();
      return async () => {
        const counts = new Map<string, number>();
        for (const path of (await rig.downloads()).slice(length))
          counts.set(path, (counts.get(path) ?? 0) + 1);
        return counts;
      };
    };
    const onceEach = (counts: ReadonlyMap<string, number>) => {
      assert.equal(counts.size, made.closure.length + 1);
      for (const [path, times] of counts) assert.equal(times, 1, path);
    };
    /** Waits until the daemon runs Nix for somebody; says since when. */
    const realising = async () =>
      await eventually(async () => {
        const command = ['node', `${inside.project}/dist/nix-snapshotter.mjs`, 'status', '--json'];
        const { stdout } = await rig.node.exec(command);
        const { realises } = JSON.parse(stdout) as {
          realises: { state: string; started_at: string }[];
        };
        assert.deepEqual(
          realises.map(({ state }) => state),
          ['RUNNING'],
        );
        return realises[0]?.started_at;
      });

    it('fails when no cache has a path, leaves nothing, and works as soon as one has it', async () => {
      await rig.cache.setFaults([{ match: narinfo, status: 404 }]);
      const { exitCode, stderr } = await pull();
      assert.notEqual(exitCode, 0);
      for (const part of [
        made.greeter,
        `${rig.cache.url}: HTTP 404`,
        "Nix's last lines: ",
        'push the path',
      ]) {
        assert.ok(stderr.includes(part), `${part} is not in: ${stderr}`);
      }
      await eventually(async () => assert.deepEqual(await footprint(rig), bare));

      await rig.cache.setFaults([]);
      assert.equal((await pull()).exitCode, 0);
      assert.equal(await run(), GREETING);
    });

    it('says after the deadline that the work goes on, and the retry joins it', async () => {
      await rig.configure('[prepare]\ndeadline = "1s"\n');
      await rig.cache.setFaults([{ match: nar, delay: 3000 }]);
      const downloads = await countDownloads();
      const { exitCode, stderr } = await pull();
      assert.notEqual(exitCode, 0);
      assert.match(
        stderr,
        /is not here yet: in \d+ s the cache .* has sent .*; pull again, the download goes on meanwhile/,
      );
      assert.ok(stderr.includes(made.closureInfo), stderr);
      await eventually(async () => assert.equal((await pull()).exitCode, 0));
      onceEach(await downloads());
      assert.equal(await run(), GREETING);
      await rig.configure('');
    });

    it('downloads once for two images with one closure that are pulled at once', async () => {
      const downloads = await countDownloads();
      await rig.cache.setFaults([{ match: nar, delay: 1000 }]);
      const pulled = await Promise.all([pull(), pull(onBase)]);
      assert.deepEqual(
        pulled.map(({ exitCode }) => exitCode),
        [0, 0],
      );
      onceEach(await downloads());
      assert.equal((await footprint(rig)).roots.length, 2);
      assert.deepEqual([await run(), await run(onBase)], [GREETING, GREETING]);
    });

    it('realises once for a client that is killed again and again, each time after a second, and its last try', async () => {
      await rig.cache.setFaults([{ match: nar, hold: true }]);
      const downloads = await countDownloads();
      const begun = new Set<string | undefined>();
      const last = row.view === 'overlay' ? 10 : 1;
      for (let tries = 1; tries <= last; tries += 1) {
        const client = rig.node.spawn('client', [...pullProgram, name]);
        if (tries === 1 || tries === last) begun.add(await realising());
        await sleep(1000);
        await client.kill9();
      }
      await rig.cache.setFaults([]);
      assert.equal((await pull()).exitCode, 0);
      assert.equal(begun.size, 1);
      onceEach(await downloads());
      assert.equal(await run(), GREETING);
    });
  });
}

/** Pulls the image named next, with the annotations of its layers: `ctr image pull` of containerd 1.7 drops them. */
async function pullProgramOf(row: ViewRow, { containerd }: Rig): Promise<readonly string[]> {
  const address = ['--address', containerd.socket];
  if (row.release !== '1.7') {
    const program = [`${containerd.binDir}/ctr`, ...address];
    return [...program, 'image', 'pull', '--plain-http', '--snapshotter', 'nix'];
  }
  const program = [`${inside.tools}/${await ensureTool('nerdctl')}/nerdctl`, ...address];
  return [...program, '--snapshotter', 'nix', 'pull', '--quiet'];
}
