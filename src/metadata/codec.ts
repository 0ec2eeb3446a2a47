import * as v from 'valibot';
import { parseStorePath, type StorePath } from '../closure/store-path.ts';
import { messageOf, StatusError } from '../errors.ts';
import type { SnapshotRecord, StoredClosure } from './schema.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const timestamp = v.object({ seconds: v.pipe(v.number(), v.safeInteger()), nanos: count });
const storePath = v.custom<StorePath>(
  (value) => typeof value === 'string' && parseStorePath(value) !== undefined,
);

/** Version 1 of a stored record: JSON, labels as pairs (any text may be a label key). */
const schema = v.object({
  v: v.literal(1),
  id: v.pipe(count, v.minValue(1)),
  kind: v.picklist(['active', 'view', 'committed']),
  parent: v.string(),
  created: timestamp,
  updated: timestamp,
  labels: v.array(v.tuple([v.string(), v.string()])),
  usage: v.optional(v.object({ size: count, inodes: count })),
  closure: v.optional(
    v.object({
      source: v.picklist(['label', 'recovered', 'verified']),
      unchecked: v.optional(v.literal(true)),
      closure: v.variant('kind', [
        v.object({ kind: v.literal('closure-info'), path: storePath }),
        v.object({ kind: v.literal('paths'), paths: v.array(storePath) }),
      ]),
    }),
  ),
  view: v.optional(v.picklist(['overlay', 'binds', 'store'])),
  ownMountPoints: v.optional(v.literal(true)),
});

function storedClosure({
  unchecked,
  ...closure
}: NonNullable<v.InferOutput<typeof schema>['closure']>): StoredClosure {
  return unchecked === undefined ? closure : { ...closure, unchecked };
}

function checked(text: string): v.InferOutput<typeof schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StatusError('DataLoss', messageOf(cause), { cause });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new StatusError('DataLoss', `${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`);
}

/** The stored form of a record; its key is the database's key and not repeated. */
export function encodeRecord(record: SnapshotRecord): string {
  const { key: _, labels, ownMountPoints, ...rest } = record;
  return JSON.stringify({
    v: 1,
    ...rest,
    labels: [...labels],
    ...(ownMountPoints === true ? { ownMountPoints } : {}),
  });
}

/**
 * Reads what {@link encodeRecord} wrote.
 *
 * @throws StatusError DataLoss that says what is wrong with it.
 */
export function decodeRecord(key: string, text: string): SnapshotRecord {
  const { v: _, labels, usage, closure, view, ownMountPoints, ...rest } = checked(text);
  return {
    key,
    ...rest,
    labels: new Map(labels),
    ...(usage === undefined ? {} : { usage }),
    ...(closure === undefined ? {} : { closure: storedClosure(closure) }),
    ...(view === undefined ? {} : { view }),
    ...(ownMountPoints === undefined ? {} : { ownMountPoints }),
  };
}
