import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileFilters } from '../../../../src/snapshot/filter/match.ts';
import { recordOf } from '../../metadata/store-suite.ts';

const records = [
  recordOf('base', 1, {
    labels: new Map([
      ['a.b/c', 'x'],
      ['l', '1'],
    ]),
  }),
  recordOf('child', 2, { parent: 'base', kind: 'active' }),
  recordOf('seen', 3, { parent: 'base', kind: 'view', labels: new Map([['l', '2']]) }),
];

async function matching(...filters: string[]): Promise<string[]> {
  const matches = await compileFilters(filters);
  return records.filter(matches).map((record) => record.key);
}

describe('compileFilters', () => {
  it('matches everything without filters and with an empty one', async () => {
    assert.deepEqual(await matching(), ['base', 'child', 'seen']);
    assert.deepEqual(await matching(''), ['base', 'child', 'seen']);
  });
  it('joins selectors with AND and filters with OR', async () => {
    assert.deepEqual(await matching('kind==view,parent==base'), ['seen']);
    assert.deepEqual(await matching('kind==view', 'name==base'), ['base', 'seen']);
  });
  it('asks for presence', async () => {
    assert.deepEqual(await matching('labels.l'), ['base', 'seen']);
    assert.deepEqual(await matching('labels."a.b/c"'), ['base']);
    assert.deepEqual(await matching('labels.a."b/c"'), ['base']);
    assert.deepEqual(await matching('parent'), ['base', 'child', 'seen']);
    assert.deepEqual(await matching('size'), []);
  });
  it('counts an absent field as different, and never as equal', async () => {
    assert.deepEqual(await matching('labels.l!=1'), ['child', 'seen']);
    assert.deepEqual(await matching('labels.nothing==""'), []);
    assert.deepEqual(await matching('parent!=""'), ['child', 'seen']);
  });
  it('matches expressions anywhere, an absent field as empty text', async () => {
    assert.deepEqual(await matching('name~=/hil|ee/'), ['child', 'seen']);
    assert.deepEqual(await matching('labels.l~=/^$/'), ['child']);
  });
  it('refuses a bad expression', async () => {
    await assert.rejects(matching('name~=/(/'), {
      code: 'InvalidArgument',
      message: /is no regular expression/,
    });
  });
  it('refuses an expression that is compiled to too much, in no time', async () => {
    for (const [expression, message] of [
      ['a{51}', /repeats by \{n\} 51 times: 50 in all is the limit/],
      ['a'.repeat(4097), /has 4097 characters: 4096 is the limit/],
      [`(${'a'.repeat(900)}){50}`, /is compiled to \d+ instructions: 20000 is the limit/],
    ] as const)
      await assert.rejects(matching(`name~=/${expression}/`), { code: 'InvalidArgument', message });
  });
  it('takes linear time for an expression made to backtrack', async () => {
    const matches = await compileFilters(['name~=/^(a+)+$/']);
    assert.equal(matches(recordOf(`${'a'.repeat(5000)}!`, 1)), false);
  });
});
