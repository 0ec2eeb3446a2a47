import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mappedRoot } from '../../../src/snapshot/id-mapping.ts';

const UID = 'containerd.io/snapshot/uidmapping';
const GID = 'containerd.io/snapshot/gidmapping';

describe('mappedRoot', () => {
  it('is undefined without labels', () => assert.equal(mappedRoot(new Map()), undefined));
  it('finds the host ids of id 0', () => {
    const labels = new Map([
      [UID, '0:1000:100'],
      [GID, '5:7:10,0:2000:1'],
    ]);
    assert.deepEqual(mappedRoot(labels), { uid: 1000, gid: 2000 });
  });
  it('maps a missing label to itself', () => {
    assert.deepEqual(mappedRoot(new Map([[UID, '0:1000:100']])), { uid: 1000, gid: 0 });
  });
  const refused = [
    '',
    '0',
    '0:1',
    '0:1:2:3',
    'a:b:c',
    '-1:0:1',
    '0:-1:1',
    '0:1:-1',
    '1:0:1',
    '0:0:0',
    '0:4294967295:1',
    '0:1:4294967295',
    '0:1:1,',
    '0:99999999999:1',
    ' 0:1:1',
    '0:0x1:1',
  ];
  for (const value of refused) {
    it(`refuses ${JSON.stringify(value)} and names the label`, () => {
      assert.throws(() => mappedRoot(new Map([[GID, value]])), {
        code: 'InvalidArgument',
        message: /gidmapping/,
      });
    });
  }
});
