import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import pino from 'pino';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { StatusError } from '../../../src/errors.ts';
import { BuiltPaths, type BuildPolicy } from '../../../src/store-image/built-paths.ts';

const path = (name: string): StorePath => `/nix/store/${'c'.repeat(32)}-${name}` as StorePath;
const DRV = path('hello.drv');
const OUT = path('hello');
const FLAKE_ROOT = '/tmp/flake-0';
const WAITING = { signal: new AbortController().signal, deadlineMs: 1000 };
const remaining = () => WAITING;

function built(policy: BuildPolicy) {
  const calls: string[] = [];
  const valid = new Set<StorePath>();
  const rooted = new Set<string>();
  const rootedAtBuild: boolean[] = [];
  const builder = {
    async realise(paths: readonly StorePath[]) {
      calls.push(`build ${paths.join(' ')}`);
      rootedAtBuild.push(rooted.has(FLAKE_ROOT));
      await setTimeout(50);
      valid.add(OUT);
    },
    async outputs() {
      return [OUT, path('hello-dev')];
    },
    async instantiate(flake: string, root: string) {
      calls.push(`evaluate ${flake}`);
      await setTimeout(50);
      rooted.add(root);
      return DRV;
    },
    async rootDerivation(derivation: StorePath, root: string) {
      calls.push(`root ${derivation}`);
      rooted.add(root);
      return true;
    },
    async removeRoot(root: string) {
      rooted.delete(root);
    },
  };
  const paths = new BuiltPaths(
    { policy, graceMs: 1000 },
    {
      builder,
      nix: { valid: async () => valid },
      roots: { link: () => '/tmp/root', linkOfFlake: () => FLAKE_ROOT },
      log: pino({ level: 'silent' }),
    },
  );
  return { paths, calls, valid, rooted, rootedAtBuild };
}

describe('what may be built', () => {
  it('is nothing unless a setting says so, which the refusal names', async () => {
    await using never = built('never').paths;
    const refusal = {
      code: 'FailedPrecondition',
      message: /not built on this node; resolver\.build = "drv" or "flake"/,
    };
    await assert.rejects(never.outputOf(DRV, WAITING), refusal);
    await using drv = built('drv').paths;
    assert.equal(await drv.outputOf(DRV, WAITING), OUT);
    await assert.rejects(drv.outputOfFlake('path:x', remaining), { message: /resolver\.build = "flake"/ });
  });

  it('is built once, however many ask, and again when its output is gone', async () => {
    const { paths, calls, valid } = built('flake');
    await using _ = paths;
    assert.deepEqual(
      await Promise.all([
        paths.outputOfFlake('f', remaining),
        paths.outputOfFlake('f', remaining),
        paths.outputOf(DRV, WAITING),
      ]),
      [OUT, OUT, OUT],
    );
    assert.deepEqual(calls.toSorted(), [`build ${DRV}`, 'evaluate f']);
    await paths.outputOfFlake('f', remaining);
    assert.equal(calls.length, 2);
    valid.clear();
    await paths.outputOfFlake('f', remaining);
    assert.equal(calls.length, 4);
  });

  it('is rooted from its evaluation until its output is', async () => {
    const { paths, rooted, rootedAtBuild } = built('flake');
    await using _ = paths;
    await paths.outputOfFlake('f', remaining);
    assert.deepEqual(rootedAtBuild, [true]);
    assert.deepEqual([...rooted], []);
  });

  it('leaves no root where nobody may have it', async () => {
    const { paths, rooted } = built('flake');
    await using _ = paths;
    const refuse = async (output: StorePath): Promise<void> => {
      throw new StatusError('PermissionDenied', `nobody may have ${output}`);
    };
    rooted.add('/tmp/root');
    await assert.rejects(paths.outputOf(DRV, WAITING, refuse), { message: `nobody may have ${OUT}` });
    assert.deepEqual([...rooted], []);
    await assert.rejects(paths.outputOfFlake('f', remaining, refuse), { code: 'PermissionDenied' });
    assert.equal(await paths.outputOf(DRV, WAITING), OUT);
  });

  it('is rooted while it waits for other builds, and no longer', async () => {
    const { paths, calls, rooted, rootedAtBuild } = built('drv');
    await using _ = paths;
    const other = path('other.drv');
    const first = paths.outputOf(other, WAITING);
    while (paths.inFlight().length === 0) await setTimeout(1);
    await Promise.all([first, paths.outputOf(DRV, WAITING)]);
    assert.deepEqual(calls, [`build ${other}`, `root ${DRV}`, `build ${DRV}`]);
    assert.deepEqual([rootedAtBuild, [...rooted]], [[false, true], []]);
  });

  it('shows evaluations', async () => {
    const { paths } = built('flake');
    await using _ = paths;
    const asked = ['f', 'g', 'h'].map((flake) => paths.outputOfFlake(flake, remaining));
    await setTimeout(5);
    assert.deepEqual(
      paths.inFlight().map(({ paths: [flake], state }) => `${flake} ${state}`),
      ['f running', 'g running', 'h queued'],
    );
    await Promise.all(asked);
    assert.deepEqual(paths.inFlight(), []);
  });
});
