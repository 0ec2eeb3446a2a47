import { after, before, describe, it } from 'node:test';
import { sandboxUnavailable } from '../../sandbox/available.ts';
import { inside } from '../../sandbox/layout.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import type { Backend } from './node.ts';
import { scenariosFor } from './scenarios.ts';

const SCRIPT = `${inside.project}/test/integration/nix-store/scenarios.ts`;

/** The oldest Nix of the test bed, and the newest. */
type Nixes = Readonly<Record<'trixie' | 'sid', readonly Backend[]>>;

/** Runs every scenario with each of these backends. */
export function describeBackends(nixes: Nixes): void {
  for (const suite of ['trixie', 'sid'] as const) {
    const backends = nixes[suite];
    if (backends.length === 0) continue;
    describe(`Nix of Debian ${suite}`, { skip: sandboxUnavailable() ?? false }, () => {
      let node: Sandbox;

      before(async () => {
        node = await Sandbox.up({ suite, name: `nix-${backends[0] ?? ''}-${suite}` });
        await node.exec(['node', SCRIPT, 'set-up'], { timeout: 300_000 });
      });
      after(() => node.down());

      for (const backend of backends) {
        describe(`by ${backend}`, () => {
          for (const name of scenariosFor(backend)) {
            it(name, async () => {
              await node.exec(['node', SCRIPT, name, backend]);
            });
          }
        });
      }
    });
  }
}
