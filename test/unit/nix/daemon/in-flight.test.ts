import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StorePath } from '../../../../src/closure/store-path.ts';
import { InFlight, independentOf } from '../../../../src/nix/daemon/in-flight.ts';

const path = (name: string): StorePath => `/nix/store/${'a'.repeat(32)}-${name}` as StorePath;
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(path) as [StorePath, StorePath, StorePath, StorePath];

describe('InFlight', () => {
  it('names those that began before and still run, and tells their end', async () => {
    const inFlight = new InFlight();
    const first = inFlight.begin([a, b]);
    const second = inFlight.begin([b, c]);
    assert.deepEqual(first.earlier, []);
    assert.deepEqual(
      second.earlier.map(({ outputs }) => outputs),
      [[a, b]],
    );
    let ended = false;
    const waits = second.earlier[0]?.ended.then(() => (ended = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ended, false);
    first[Symbol.dispose]();
    await waits;
    assert.deepEqual(
      inFlight.begin([a]).earlier.map(({ outputs }) => outputs),
      [[b, c]],
    );
  });
});

describe('independentOf', () => {
  it('keeps what does not need the others, however indirectly', () => {
    const references = new Map([
      [d, [c]],
      [c, [b]],
      [b, [b]],
      [a, []],
    ]);
    assert.deepEqual(independentOf(new Set([b]), [a, c, d], references), [a]);
    assert.deepEqual(independentOf(new Set([path('elsewhere')]), [a, c, d], references), [a, c, d]);
  });

  it('never keeps one that refers to one it leaves', () => {
    const names = fc.integer({ min: 0, max: 12 }).map((number) => path(`n${number}`));
    const graph = fc.array(fc.tuple(names, fc.array(names, { maxLength: 4 })), { maxLength: 13 });
    fc.assert(
      fc.property(graph, fc.uniqueArray(names), (edges, others) => {
        const references = new Map(edges);
        const theirs = new Set(others);
        const mine = [...references.keys()].filter((name) => !theirs.has(name));
        const kept = new Set(independentOf(theirs, mine, references));
        for (const name of kept) {
          for (const reference of references.get(name) ?? []) {
            assert.ok(!theirs.has(reference) && (kept.has(reference) || !references.has(reference)));
          }
        }
      }),
    );
  });
});
