import { after, before, describe, it } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { inside } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { SCENARIOS } from './nix-store/scenarios.ts';

const SCRIPT = `${inside.project}/test/integration/nix-store/scenarios.ts`;

for (const suite of ['trixie', 'sid'] as const) {
  describe(`Nix store of Debian ${suite}`, { skip: sandboxUnavailable() ?? false }, () => {
    let node: Sandbox;

    before(async () => {
      node = await Sandbox.up({ suite, name: `nix-store-${suite}` });
      await node.exec(['node', SCRIPT, 'set-up'], { timeout: 300_000 });
    });
    after(() => node.down());

    for (const name of Object.keys(SCENARIOS)) {
      it(name, async () => {
        await node.exec(['node', SCRIPT, name]);
      });
    }
  });
}
