import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byPopularity } from '../../../src/closure/popularity.ts';
import type { StorePath } from '../../../src/closure/store-path.ts';

type Graph = ReadonlyMap<StorePath, readonly StorePath[]>;

const path = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const graph = (edges: Readonly<Record<string, readonly string[]>>): Graph =>
  new Map(Object.entries(edges).map(([from, to]) => [path(from), to.map(path)]));

/** How many paths reach each, by going all ways from each. */
function counted(references: Graph): ReadonlyMap<StorePath, number> {
  const counts = new Map<StorePath, number>();
  for (const start of references.keys()) {
    const reached = new Set([start]);
    for (const from of reached)
      for (const to of references.get(from) ?? []) if (references.has(to)) reached.add(to);
    for (const to of reached) counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  return counts;
}

/** A graph without cycles: each path refers to later ones only, and maybe to itself. */
const graphs = fc.integer({ min: 0, max: 80 }).chain((size) =>
  fc
    .array(fc.tuple(fc.nat(Math.max(0, size - 1)), fc.nat(Math.max(0, size - 1))), { maxLength: 200 })
    .map((pairs): Graph => {
      const edges: Record<string, string[]> = {};
      for (let at = 0; at < size; at++) edges[String(at)] = [];
      for (const [a, b] of pairs) edges[String(Math.min(a, b))]?.push(String(Math.max(a, b)));
      return graph(edges);
    }),
);

describe('byPopularity', () => {
  it('puts first what most paths reach, then by name', async () => {
    const order = await byPopularity(
      graph({ app: ['lib', 'tool'], lib: ['libc'], tool: ['libc', 'tool'], libc: ['libc'], alone: [] }),
    );
    assert.deepEqual(order, ['libc', 'lib', 'tool', 'alone', 'app'].map(path));
  });

  it('leaves out what is not asked for', async () => {
    assert.deepEqual(await byPopularity(graph({ app: ['absent'] })), [path('app')]);
    assert.deepEqual(await byPopularity(new Map()), []);
  });

  it('orders by the number of paths that reach one, in every graph and whatever the order of its keys', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async (references) => {
        const counts = counted(references);
        const expected = [...references.keys()].toSorted(
          (a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (a < b ? -1 : 1),
        );
        assert.deepEqual(await byPopularity(references), expected);
        assert.deepEqual(await byPopularity(new Map([...references].toReversed())), expected);
      }),
    );
  });

  it('takes a deep chain and a large closure', async () => {
    const edges: Record<string, string[]> = {};
    for (let at = 0; at < 3000; at++) edges[String(at)] = at === 2999 ? [] : [String(at + 1)];
    const order = await byPopularity(graph(edges));
    assert.equal(order[0], path('2999'));
    assert.equal(order.at(-1), path('0'));
  });
});
