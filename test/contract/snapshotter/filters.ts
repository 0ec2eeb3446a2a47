import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  commitLayer,
  namesOf,
  open,
  type Expectations,
  type Session,
  type SubjectFactory,
} from './subject.ts';

const REFERENCE = 'containerd.io/snapshot.ref';

/** [filters, the names that match]. containerd `pkg/filters`; fields: `storage/bolt.go`, adaptSnapshot. */
const MATCHES: readonly (readonly [filters: readonly string[], names: string])[] = [
  [[], 'act base child view'],
  [[''], 'act base child view'],
  [['name==base'], 'base'],
  [['name=="base"'], 'base'],
  [['name==base', 'name==act'], 'act base'],
  [['kind==committed,parent==base'], 'child'],
  [['kind==active'], 'act'],
  [['kind==view'], 'view'],
  [['kind==ACTIVE'], ''],
  [['kind!=committed'], 'act view'],
  [['parent'], 'act base child view'],
  [['parent==""'], 'base view'],
  [['parent!=""'], 'act child'],
  [['labels.a'], 'act base'],
  [['labels.a==1'], 'base'],
  [['labels.a!=1'], 'act child view'],
  [['labels.a~=1'], 'act base'],
  [['labels.a~=^1$'], 'base'],
  [['labels.a~=^$'], 'child view'],
  [['labels."a"==1'], 'base'],
  [['labels.x.y==dots'], 'base'],
  [['labels."x.y"==dots'], 'base'],
  [['labels.7'], 'base'],
  [[`labels."${REFERENCE}"==sha256:abc,parent=="base"`], 'child'],
  [[`labels."${REFERENCE}"==sha256:abc,parent==""`], ''],
  [[`labels.containerd.io`], ''],
  [['name~=/^(ba|ch)/'], 'base child'],
  [['name~=|^a.t$|'], 'act'],
  [['name~="^(?i)ACT$"'], 'act'],
  [['name~="\\\\w{5,}"'], 'child'],
  [['name=="\\x62\\u0061se"'], 'base'],
  [[' name == base , kind != active'.replace(' , ', ',')], 'base'],
  [['created'], ''],
  [['nothing!=x'], 'act base child view'],
  [['nothing~=^$'], 'act base child view'],
  [['labels'], ''],
];

const ERRORS = [
  ',',
  ' ',
  '==base',
  'name=base',
  'name===base',
  'name=~base',
  'name!base',
  'name<base',
  'name==',
  'name==base,',
  'name==base,,kind==view',
  'name==base kind==view',
  'name base',
  'name==/base/',
  'name=="base',
  'name=="\\q"',
  'name==""base',
  '"name',
  '|name|==base',
  'labels.',
  'labels..a',
  '.name',
  'na-me==base',
  'ñame==base',
];

/** The filter grammar of List. */
export function filterTests(factory: SubjectFactory, { badFilter }: Expectations): void {
  describe('filters', () => {
    let session: Session;
    before(async () => {
      session = await open(factory);
      const { client } = session;
      await commitLayer(client, 'base', '', { a: '1', 'x.y': 'dots', '7': 'digit' });
      await commitLayer(client, 'child', 'base', { [REFERENCE]: 'sha256:abc' });
      await client.Prepare({ key: 'act', parent: 'child', labels: { a: '11' } });
      await client.View({ key: 'view', labels: {} });
    });
    after(() => session[Symbol.asyncDispose]());

    for (const [filters, names] of MATCHES) {
      test(`${JSON.stringify(filters)} gives ${names === '' ? 'nothing' : names}`, async () => {
        assert.equal((await namesOf(session.client, filters)).join(' '), names);
      });
    }

    for (const filter of ERRORS) {
      test(`${JSON.stringify(filter)} is ${badFilter}`, async () => {
        await assert.rejects(namesOf(session.client, [filter]), { code: badFilter });
        await assert.rejects(namesOf(session.client, ['name==base', filter]), { code: badFilter });
      });
    }

    test('a regular expression that takes others exponential time is answered', async () => {
      const name = 'a'.repeat(40);
      await session.client.Prepare({ key: `${name}!` });
      assert.deepEqual(await namesOf(session.client, ['name~="^(a+)+$"']), []);
      await session.client.Remove({ key: `${name}!` });
    });
  });
}
