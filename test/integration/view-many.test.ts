import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { baseArchive } from './support/base-image.ts';
import { type Container, startContainer } from './support/container.ts';
import { mountPoints } from './support/footprint.ts';
import { inFull, viewMatrix } from './support/matrix.ts';
import { Rig, eventually } from './support/rig.ts';

const IMAGE = 'localhost/many:1';
const PATHS = 2500;
const CONTAINERS = 60;
/** How many are started and ended at once. */
const AT_ONCE = 10;

for (const row of await viewMatrix([], { overlay: ['2.4', ...inFull('1.7', '2.1', '2.3')] })) {
  describe(`a closure of ${PATHS} paths, on containerd ${row.title}`, { skip: row.skip }, () => {
    it(`is in ${CONTAINERS} containers by one mount each, of which none is left`, async () => {
      await using rig = await Rig.up({ row });
      await loadImage(rig, await addPaths(rig));
      const before = await mountPoints(rig.node);

      const containers: Container[] = [];
      await inBatches([...Array(CONTAINERS).keys()], async (n) => {
        containers.push(await startContainer(rig, { image: IMAGE, id: `container-${n}` }));
      });
      const added = (await mountPoints(rig.node)).length - before.length;
      assert.ok(added < 5 * CONTAINERS, `${added} mounts`);
      assert.equal(added, CONTAINERS + 1);
      await inBatches(containers, async (container) => {
        const { stdout } = await container.exec(
          'ls -A /nix/store | wc -l; cat /nix/store/*-path-2500/number',
        );
        assert.equal(stdout, `${PATHS}\n2500`);
      });

      await inBatches(containers, async (container) => await container[Symbol.asyncDispose]());
      // The view itself, which the image keeps.
      assert.equal((await mountPoints(rig.node)).length, before.length + 1);
      await rig.containerd.ctr(['image', 'rm', '--sync', IMAGE]);
      await eventually(async () => assert.deepEqual(await mountPoints(rig.node), before));
    });
  });
}

async function inBatches<T>(all: readonly T[], work: (each: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < all.length; start += AT_ONCE) {
    await Promise.all(all.slice(start, start + AT_ONCE).map(work));
  }
}

async function addPaths({ node }: Rig): Promise<readonly string[]> {
  const dir = '/tmp/many';
  const make = `mkdir path-$n; echo $n > path-$n/number`;
  await node.sh(`mkdir ${dir}; cd ${dir}; for n in $(seq ${PATHS}); do ${make}; done`);
  return (await node.sh(`nix-store --add ${dir}/*`)).stdout.split('\n');
}

async function loadImage(rig: Rig, paths: readonly string[]): Promise<void> {
  const base = '/tmp/images/base.tar';
  const archive = '/tmp/images/many.tar';
  await rig.node.writeFile(base, await baseArchive(rig.node, { name: 'localhost/base:1' }));
  const flags = ['--log-level', 'error', '--ref', IMAGE, '--from-image', base, '--out', archive];
  await rig.nix2container(['build', ...flags, ...paths]);
  await rig.nix2container(['load', archive]);
}
