import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { busyboxEntries } from '../fixtures/images.ts';
import { ociArchive } from '../fixtures/oci-archive.ts';
import {
  type GreeterClosure,
  assertShown,
  forget,
  GREETING,
  goImage,
  greeterClosure,
  ownImage,
  realContent,
} from './support/greeter.ts';
import { runContainer } from './support/container.ts';
import { ALL_VIEWS, inFull, viewMatrix } from './support/matrix.ts';
import { Rig, eventually } from './support/rig.ts';

const NAME = 'localhost/greeter:1';

/** Ways into containerd that unpack, or let `ctr run` unpack, mostly without the annotations of layers. */
const LOCAL = ['--local', '--snapshotter', 'nix'];
const WAYS = [['--snapshotter', 'nix'], LOCAL, []];

for (const row of await viewMatrix(['nix2container'], {
  ...ALL_VIEWS,
  overlay: ['1.7', '2.4', ...inFull('2.1', '2.3')],
})) {
  describe(`imported Nix images, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    const archives: Record<string, string> = {};

    before(async () => {
      rig = await Rig.up({ row, config: 'recover = "auto"\n' });
      made = await greeterClosure(rig);
      archives['go'] = await goImage(rig, made, NAME);
      archives['our'] = await ownImage(rig, made, NAME);
    });
    after(async () => await rig.down());

    const run = async (...command: readonly string[]) =>
      await runContainer(rig, { image: NAME, id: 'test', reject: false }, command);
    const remove = async () => {
      await rig.containerd.ctr(['image', 'rm', '--sync', NAME]);
      await eventually(async () => {
        assert.equal((await rig.node.exec(['ls', `${rig.snapshotter.root}/gcroots`])).stdout, '');
      });
    };

    for (const builder of ['go', 'our']) {
      for (const flags of WAYS) {
        it(`of the ${builder} tool run after "${['ctr image import', ...flags].join(' ')}"`, async () => {
          const archive = archives[builder] ?? '';
          await rig.containerd.ctr(['image', 'import', ...flags, archive]);
          assert.equal((await run()).stdout, GREETING);
          await remove();

          await forget(rig, made);
          await rig.containerd.ctr(['image', 'import', ...flags, archive]);
          assert.equal((await run()).stdout, GREETING);
          for (const path of made.closure) await rig.node.exec(['nix-store', '--check-validity', path]);
          await assertShown(rig, made, NAME);
          await remove();
        });
      }
    }

    it('show no store paths when annotations are dropped and recover is off', async () => {
      await rig.configure('recover = "off"\n');
      for (const archive of Object.values(archives)) {
        await rig.containerd.ctr(['image', 'import', ...LOCAL, archive]);
        const { exitCode, stderr } = await run();
        assert.notEqual(exitCode, 0);
        assert.match(stderr, /greet.*no such file or directory/);
        await remove();
      }
      await rig.configure('recover = "auto"\n');
    });

    it('are told from an ordinary image with real content below nix/store', async () => {
      const archive = '/tmp/images/real.tar';
      const layers = [{ entries: await busyboxEntries(rig.node) }, { entries: realContent(made.greeter) }];
      await rig.node.writeFile(archive, await ociArchive({ name: NAME, layers }));
      await rig.containerd.ctr(['image', 'import', '--snapshotter', 'nix', archive]);
      const seen = await run(
        'sh',
        '-c',
        `cat ${made.greeter}/*; ls -A /nix/store; grep -c /nix/store /proc/mounts`,
      );
      const name = made.greeter.slice('/nix/store/'.length);
      assert.equal(seen.stdout, `in the layer itself\n${name}\n0`);
      await remove();
    });
  });
}
