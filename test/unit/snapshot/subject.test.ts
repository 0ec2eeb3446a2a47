import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { decodeRecord, encodeRecord } from '../../../src/metadata/codec.ts';
import { MemoryStore } from '../../../src/metadata/memory-store.ts';
import type { StoredClosure } from '../../../src/metadata/schema.ts';
import { storedSubject, subjectOf } from '../../../src/snapshot/subject.ts';
import { recordOf } from '../metadata/store-suite.ts';

const named = (name: string) => `/nix/store/${'0'.repeat(32)}-${name}` as StorePath;
const closureOf = (path: StorePath, changes: Partial<StoredClosure> = {}): StoredClosure => ({
  closure: { kind: 'closure-info', path },
  source: 'label',
  ...changes,
});
const labelled = (image: string) => new Map([['containerd.io/snapshot/cri.image-ref', image]]);

describe('for whom a closure is realised', () => {
  it('is what the label says, in the spelling of rules, with the layers below', () => {
    const below = [recordOf('ordinary', 1), recordOf('nix', 2, { closure: closureOf(named('base')) })];
    assert.deepEqual(subjectOf(labelled('Registry.Corp/app'), below), {
      claimed: 'registry.corp/app:latest',
      also: [named('base')],
    });
    assert.equal(subjectOf(labelled(`nix.local/${named('a').slice(11)}`), []).claimed, `nix:0${named('a')}`);
    assert.equal(subjectOf(labelled(`nix:0/${'0'.repeat(32)}`), []).claimed, undefined);
    assert.equal(subjectOf(labelled('nix:0/no path'), []).claimed, undefined);
    assert.equal(subjectOf(new Map(), []).claimed, undefined);
  });

  it('is nobody new where the layer was let in when it was stored', async () => {
    const store = new MemoryStore();
    const base = recordOf('base', 1, { closure: closureOf(named('base')) });
    const learnt = recordOf('top', 2, {
      parent: 'base',
      labels: labelled('evil.corp/app:1'),
      closure: closureOf(named('top'), { unchecked: true }),
    });
    await store.apply([base, learnt].map((record) => ({ type: 'put', record })));
    assert.deepEqual(storedSubject(store, 1), { admitted: true });
    assert.deepEqual(storedSubject(store, 2), { claimed: 'evil.corp/app:1', also: [named('base')] });
    assert.deepEqual(storedSubject(store, 3), {});
  });

  it('is remembered on disk', () => {
    for (const closure of [closureOf(named('a')), closureOf(named('a'), { unchecked: true })]) {
      const record = recordOf('key', 1, { closure });
      assert.deepEqual(decodeRecord('key', encodeRecord(record)).closure, closure);
    }
  });
});
