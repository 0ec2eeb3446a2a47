import { namedPaths } from '../closure/annotations.ts';
import type { SnapshotRecord } from '../metadata/schema.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Subject } from '../policy/subject.ts';
import { judgedReference } from '../store-image/judged-image.ts';
import { IMAGE_LABEL } from './labels.ts';

/**
 * For whom a layer's closure is realised, as far as its labels tell.
 *
 * @param below the layers below: they belong to the same image.
 */
export function subjectOf(
  labels: ReadonlyMap<string, string>,
  below: readonly Pick<SnapshotRecord, 'closure'>[],
): Subject {
  const label = labels.get(IMAGE_LABEL);
  const also = below.flatMap(({ closure }) => (closure === undefined ? [] : namedPaths(closure.closure)));
  return { claimed: label === undefined ? undefined : judgedReference(label), also };
}

/**
 * For whom the closure of a stored snapshot is realised again: what was let in once stays let in, so that no rule that is made later
 * takes store paths away from images and containers that are there.
 */
export function storedSubject(store: Pick<MetadataStore, 'get' | 'list'>, id: number): Subject {
  const record = store.list().find((each) => each.id === id);
  if (record === undefined) return {};
  if (record.closure?.unchecked !== true) return { admitted: true };
  const below: SnapshotRecord[] = [];
  for (let next = store.get(record.parent); next !== undefined; next = store.get(next.parent))
    below.push(next);
  return subjectOf(record.labels, below);
}
