import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isExtraction, storedLabels, updatedLabels } from '../../../src/snapshot/labels.ts';

const none = new Map<string, string>();

describe('isExtraction', () => {
  const keys: [string, boolean][] = [
    ['extract-123456-abcd sha256:00', true],
    ['k8s.io/17/extract-123456-abcd sha256:00', true],
    ['default/3/extract-1--_aB sha256:00', true],
    ['default/3/extract-data', false],
    ['default/3/extract-1-x', false],
    ['default/3/web', false],
    ['default/3/extract', false],
    ['extract-1/2/web', false],
    ['default/3/not-extract-1 sha256:00', false],
  ];
  for (const [key, expected] of keys) {
    it(`${expected ? 'takes' : 'does not take'} ${key}`, () =>
      assert.equal(isExtraction(key, none), expected));
  }
  it('takes any key with a snapshot.ref label', () => {
    assert.equal(isExtraction('x', new Map([['containerd.io/snapshot.ref', 'sha256:00']])), true);
  });
});

describe('storedLabels', () => {
  it('drops labels without a value', () => {
    assert.deepEqual(
      storedLabels([
        ['a', '1'],
        ['b', ''],
      ]),
      new Map([['a', '1']]),
    );
  });
});

describe('updatedLabels', () => {
  const current = new Map([
    ['a', '1'],
    ['b.c/d', '2'],
  ]);
  it('replaces all without a mask', () => {
    assert.deepEqual(
      updatedLabels(
        'k',
        current,
        new Map([
          ['x', 'y'],
          ['z', ''],
        ]),
        [],
      ),
      new Map([['x', 'y']]),
    );
  });
  it('replaces all with the mask "labels"', () => {
    assert.deepEqual(updatedLabels('k', current, new Map([['x', 'y']]), ['labels']), new Map([['x', 'y']]));
  });
  it('sets and removes single labels, dots and slashes included', () => {
    const labels = updatedLabels('k', current, new Map([['a', '3']]), ['labels.a', 'labels.b.c/d']);
    assert.deepEqual(labels, new Map([['a', '3']]));
    assert.deepEqual(current.get('a'), '1');
  });
  for (const path of ['parent', 'name', 'kind', 'label', 'labelsx']) {
    it(`refuses the mask ${path}`, () => {
      assert.throws(() => updatedLabels('k', current, none, [path]), {
        code: 'InvalidArgument',
        message: new RegExp(`cannot update "${path}" field on snapshot "k"`),
      });
    });
  }
});
