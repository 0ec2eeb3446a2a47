import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
} from '../../src/closure/annotations.ts';
import {
  type GreeterClosure,
  assertShown,
  forget,
  GREETING,
  goImage,
  greeterClosure,
} from './support/greeter.ts';
import { runContainer } from './support/container.ts';
import { viewMatrix } from './support/matrix.ts';
import { OciLayout } from './support/oci-layout.ts';
import { startRegistry } from './support/registry.ts';
import { Rig, eventually } from './support/rig.ts';

const LOCAL = 'localhost/go:1';
const LAYOUT = '/tmp/images/go';

for (const row of await viewMatrix(['nix2container', 'nerdctl'])) {
  describe(`images of the Go nix2container, on containerd ${row.title}`, { skip: row.skip }, () => {
    let rig: Rig;
    let made: GreeterClosure;
    let layout: OciLayout;
    let registry: string;

    before(async () => {
      rig = await Rig.up({ row });
      made = await greeterClosure(rig);
      const archive = await goImage(rig, made, LOCAL);
      await rig.node.sh(`mkdir ${LAYOUT}; tar -xf ${archive} -C ${LAYOUT}`);
      layout = new OciLayout({ dir: rig.node.hostPath(LAYOUT) });
      registry = (await startRegistry(rig.node)).address;
    });
    after(async () => await rig.down());

    /** Pushes the layout, forgets the closure, pulls with annotations, and runs. Leaves nothing. */
    const pullAndRun = async (name: string) => {
      const { node, containerd, snapshotter } = rig;
      await rig.nix2container(['push', LAYOUT, name]);
      await forget(rig, made);
      await containerd.nerdctl(['--snapshotter', 'nix', 'pull', '--quiet', name]);
      for (const path of made.closure) await node.exec(['nix-store', '--check-validity', path]);
      const roots = (await node.exec(['ls', `${snapshotter.root}/gcroots`])).stdout;
      const { stdout } = await runContainer(rig, { image: name, id: 'test' });
      await assertShown(rig, made, name);
      await containerd.ctr(['image', 'rm', '--sync', name]);
      await eventually(async () => {
        assert.equal((await node.exec(['ls', `${snapshotter.root}/gcroots`])).stdout, '');
      });
      return { stdout, roots };
    };

    it('run with their closureInfo annotation', async () => {
      assert.deepEqual(await layout.annotations(CLOSURE_ANNOTATION), [made.closureInfo]);
      const { stdout, roots } = await pullAndRun(`${registry}/go:closure`);
      assert.equal(stdout, GREETING);
      assert.match(roots, /^\d+$/);
      assert.doesNotMatch(await rig.snapshotter.logs(), /recovered the closure/);
    });

    it('run with an annotation for each path, as older versions wrote them', async () => {
      await layout.annotateLayers(() =>
        Promise.resolve({
          [LEGACY_LAYER_ANNOTATION]: 'true',
          ...Object.fromEntries(made.closure.map((path, n) => [`${LEGACY_PATH_PREFIX}${n}`, path])),
        }),
      );
      const { stdout, roots } = await pullAndRun(`${registry}/go:legacy`);
      assert.equal(stdout, GREETING);
      assert.match(roots, /^\d+$/);
      assert.doesNotMatch(await rig.snapshotter.logs(), /recovered the closure/);
    });
  });
}
