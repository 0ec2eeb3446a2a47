import assert from 'node:assert/strict';
import type { ViewRow } from '../support/matrix.ts';
import { limited } from '../support/view-limits.ts';
import { IMAGES, LAYERED } from './images.ts';
import type { Subject } from './subject.ts';

/** How the layers over and under a closure's change what a container sees of its store paths. */
export function layers(row: ViewRow, subject: () => Subject): void {
  const changed = async (text: string) => await subject().run(text, IMAGES.changed);
  const inStore = async (text: string) => (await subject().rig.node.exec(['sh', '-c', text])).stdout;
  /** The layer on top has no effect: the container sees what the store has. */
  const unchanged = async (text: string) => assert.equal(await changed(text), await inStore(text));

  const deleted = () => `ls -d ${subject().packages.equals} 2> /dev/null || echo gone`;
  const deletedIn = () => unchanged(deleted());
  limited(row, 'a later layer may delete a store path', {
    async holds() {
      assert.equal(await changed(deleted()), 'gone');
      const { closure, packages } = subject();
      assert.deepEqual(
        await subject().shown(IMAGES.changed),
        closure.filter((path) => path !== packages.equals),
      );
    },
    binds: deletedIn,
    store: deletedIn,
  });

  const replaced = () => {
    const { emptyDirectory, file } = subject().packages;
    return `cat ${emptyDirectory} 2> /dev/null; cat ${file} 2> /dev/null; cat ${file}/* 2> /dev/null; true`;
  };
  const replacedIn = () => unchanged(replaced());
  limited(row, 'a later layer may replace a store path by something else', {
    async holds() {
      assert.equal(`${await changed(replaced())}\n`, LAYERED + LAYERED);
    },
    binds: replacedIn,
    store: replacedIn,
  });

  const reached = () => {
    const { plus, greeter } = subject().packages;
    const file = `${plus}/of-the-layer`;
    return `ls ${plus}; cat ${plus}/share/name; cat ${file} 2> /dev/null; ls ${greeter}/share | wc -l`;
  };
  const reachedIn = () => unchanged(reached());
  limited(row, 'a later layer may add files to a store path and delete files of it', {
    async holds() {
      assert.equal(`${await changed(reached())}\n`, `of-the-layer\nshare\na+b\n${LAYERED}0\n`);
    },
    binds: reachedIn,
    store: reachedIn,
  });

  const opaqueIn = async () => {
    const shown = await subject().shown(IMAGES.opaque);
    for (const path of subject().closure) assert.ok(shown.includes(path), path);
  };
  limited(row, 'a later layer may hide all store paths by an opaque /nix/store', {
    async holds() {
      assert.deepEqual(await subject().shown(IMAGES.opaque), ['/nix/store/only']);
    },
    binds: opaqueIn,
    store: opaqueIn,
  });

  limited(row, 'files that an earlier layer has in a store path are hidden', {
    async holds() {
      assert.equal(await subject().run(`ls ${subject().packages.plus}`, IMAGES.merged), 'share');
    },
    async overlay() {
      const { plus } = subject().packages;
      assert.equal(await subject().run(`ls ${plus}`, IMAGES.merged), 'of-the-layer\nshare');
      assert.equal(await subject().run(`cat ${plus}/share/name`, IMAGES.merged), 'a+b');
    },
  });
}
