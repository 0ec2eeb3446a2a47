import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { busyboxArchive } from '../fixtures/images.ts';
import { installRunsc } from '../sandbox/runsc.ts';
import { runContainer } from './support/container.ts';
import { greeterClosure, ownImage } from './support/greeter.ts';
import { ALL_VIEWS, inFull, viewMatrix } from './support/matrix.ts';
import { Rig } from './support/rig.ts';

const IMAGE = 'localhost/greeter:1';

for (const row of await viewMatrix(['runsc'], {
  ...ALL_VIEWS,
  overlay: ['1.7', '2.4', ...inFull('2.1', '2.3')],
})) {
  describe(`gVisor, on containerd ${row.title}`, { skip: row.skip }, () => {
    it('shows the closure, and runs programs of it', async () => {
      await using rig = await Rig.up({ row });
      const flags = ['--runc-binary', await installRunsc(rig.node)];
      const made = await greeterClosure(rig);
      const base = ['--from-image', await busyboxArchive(rig.node)];
      await rig.nix2container(['load', await ownImage(rig, made, IMAGE, base)]);
      const paths = made.closure.map((path) => `'${path}'`).join(' ');
      const text = `dmesg | head -n 1; greet gVisor; ls -d ${paths}; echo mine > /root/new; cat /root/new`;
      const { stdout, stderr } = await runContainer(rig, { image: IMAGE, id: 'test', flags }, [
        'sh',
        '-c',
        text,
      ]);
      const [kernel, ...said] = stdout.split('\n');
      assert.match(kernel ?? '', /Starting gVisor/, stderr);
      assert.deepEqual(said, ['Hello from the Nix store, gVisor!', ...made.closure, 'mine']);
    });
  });
}
