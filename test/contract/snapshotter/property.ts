import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  array,
  assert as check,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  dictionary,
  oneof,
  record,
  type Arbitrary,
} from 'fast-check';
import { StatusError } from '../../../src/errors.ts';
import { Model, type Labels, type Operation, type Outcome } from './model.ts';
import { directoriesOn, idOf, listAll, lowerDirectories, only, open, ownDirectory } from './subject.ts';
import type { Session, SnapshotsClient, SubjectFactory } from './subject.ts';

const RUNS = 40;
const OPERATIONS = 60;

const key = constantFrom('a', 'b', 'c', 'd', 'e');
const parent = oneof({ weight: 1, arbitrary: constant('') }, { weight: 2, arbitrary: key });
const labels: Arbitrary<Labels> = dictionary(constantFrom('x', 'y'), constantFrom('1', '2'), {
  noNullPrototype: true,
});

const anyOperation: Arbitrary<Operation> = oneof(
  { weight: 8, arbitrary: record({ type: constant('Prepare' as const), key, parent, labels }) },
  { weight: 4, arbitrary: record({ type: constant('View' as const), key, parent, labels }) },
  {
    weight: 8,
    arbitrary: record({ type: constant('Commit' as const), key, name: key, parent, labels }).filter(
      (commit) => commit.parent !== commit.name && commit.parent !== commit.key,
    ),
  },
  { weight: 2, arbitrary: record({ type: constant('Update' as const), key, labels }) },
  { weight: 5, arbitrary: record({ type: constant('Remove' as const), key }) },
  { weight: 2, arbitrary: record({ type: constantFrom('Mounts' as const, 'Stat' as const), key }) },
  { weight: 1, arbitrary: record({ type: constant('Cleanup' as const) }) },
);

/** Random calls give the codes, and leave the state, that the model says. `FAST_CHECK_SEED` repeats a run. */
export function propertyTests(factory: SubjectFactory): void {
  describe('random calls', () => {
    test('agree with a model, also across a restart', async (context) => {
      const seed = Number(process.env['FAST_CHECK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
      context.diagnostic(`FAST_CHECK_SEED=${seed}`);
      await using session = await open(factory);
      await session.client.Prepare({ key: 'a' });
      const property = asyncProperty(
        array(anyOperation, { maxLength: OPERATIONS, size: 'max' }),
        boolean(),
        async (operations, restarts) => {
          await removeAll(session.client);
          const model = new Model();
          for (const one of operations)
            assert.equal(await outcomeOf(session.client, one), model.apply(one), show(one));
          if (restarts) await session.subject.restart();
          await agree(session, model);
          await removeAll(session.client);
          await session.client.Cleanup({});
          assert.deepEqual(await directoriesOn(session.subject), []);
        },
      );
      await check(property, { seed, numRuns: RUNS });
    });
  });
}

async function outcomeOf(client: SnapshotsClient, operation: Operation): Promise<Outcome> {
  try {
    await perform(client, operation);
    return 'OK';
  } catch (error) {
    if (error instanceof StatusError) return error.code;
    throw error;
  }
}

async function perform(client: SnapshotsClient, operation: Operation): Promise<unknown> {
  switch (operation.type) {
    case 'Update':
      return client.Update({ info: { name: operation.key, labels: operation.labels } });
    case 'Cleanup':
      return client.Cleanup({});
    case 'Prepare':
      return client.Prepare(operation);
    case 'View':
      return client.View(operation);
    case 'Commit':
      return client.Commit(operation);
    case 'Remove':
      return client.Remove(operation);
    case 'Mounts':
      return client.Mounts(operation);
    default:
      return client.Stat(operation);
  }
}

/** List gives the model's entries; the mounts of a chain name one directory per ancestor, in order. */
async function agree({ client }: Session, model: Model): Promise<void> {
  const infos = await listAll(client);
  const listed = infos.map(({ name, kind, parent: of, labels: own }) => [
    name,
    { kind, parent: of, labels: own },
  ]);
  assert.deepEqual(new Map(listed as [string, unknown][]), model.entries);
  const directories = new Map<string, string>();
  for (const { name, kind } of infos) {
    if (kind === 'COMMITTED') directories.set(name, await directoryOf(client, name));
  }
  for (const { name, kind, parent: of } of infos) {
    if (kind !== 'ACTIVE') continue;
    const { mounts } = await client.Mounts({ key: name });
    assert.ok(idOf(ownDirectory(mounts)) > 0);
    if (of === '') continue;
    const chain: (string | undefined)[] = [];
    for (let at = of; at !== ''; at = model.entries.get(at)?.parent ?? '') chain.push(directories.get(at));
    assert.deepEqual(lowerDirectories(mounts), chain);
  }
}

/** Where a committed snapshot is, as a view of it shows. */
async function directoryOf(client: SnapshotsClient, parentName: string): Promise<string> {
  const probe = 'probe';
  const { mounts } = await client.View({ key: probe, parent: parentName });
  await client.Remove({ key: probe });
  const mount = only(mounts);
  const [first] = mount.type === 'bind' ? [mount.source] : lowerDirectories(mounts);
  assert.ok(first !== undefined);
  return first;
}

async function removeAll(client: SnapshotsClient): Promise<void> {
  for (;;) {
    const infos = await listAll(client);
    if (infos.length === 0) return;
    const parents = new Set(infos.map(({ parent: of }) => of));
    for (const { name } of infos) if (!parents.has(name)) await client.Remove({ key: name });
  }
}

function show(one: Operation): string {
  return JSON.stringify(one);
}
