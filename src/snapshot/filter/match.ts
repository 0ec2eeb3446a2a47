import type { RE2JS } from 're2js';
import type { SnapshotRecord } from '../../metadata/schema.ts';
import type { ExpressionLimits } from '../../store-image/expressions.ts';
import { parseFilter, type Selector } from './parse.ts';

export type Predicate = (record: SnapshotRecord) => boolean;

/**
 * Compiles the filters of a List request: a snapshot matches when one filter does (all of its selectors);
 * no filters match everything. Source: containerd `pkg/filters/filter.go`, `core/snapshots/storage/bolt.go` (adaptSnapshot).
 *
 * @throws StatusError InvalidArgument for a filter or a regular expression that does not parse.
 */
export async function compileFilters(filters: readonly string[]): Promise<Predicate> {
  if (filters.length === 0) return () => true;
  const parsed = filters.map(parseFilter);
  const expressions = await compileExpressions(parsed.flat());
  const matches = (selector: Selector, record: SnapshotRecord): boolean => {
    const value = fieldOf(record, selector.fieldPath);
    switch (selector.operator) {
      case 'present':
        return value !== undefined;
      case '==':
        return value === selector.value;
      case '!=':
        return (value ?? '') !== selector.value;
      case '~=':
        return (
          expressions
            .get(selector.value)
            ?.matcher(value ?? '')
            .find() ?? false
        );
    }
  };
  return (record) => parsed.some((selectors) => selectors.every((selector) => matches(selector, record)));
}

/** A filter may name some tens of snapshots. */
export const FILTER_LIMITS: ExpressionLimits = { length: 4096, repetitions: 50, instructions: 20_000 };

/** Compiled with RE2's semantics: linear in time, so that a hostile expression cannot stall the daemon. */
async function compileExpressions(selectors: readonly Selector[]): Promise<ReadonlyMap<string, RE2JS>> {
  const texts = selectors.filter(({ operator }) => operator === '~=').map(({ value }) => value);
  if (texts.length === 0) return new Map();
  const { compileExpressions: compile } = await import('../../store-image/expressions.ts');
  return await compile(texts, 'filters', undefined, FILTER_LIMITS);
}

function fieldOf(record: SnapshotRecord, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'name':
      return record.key;
    case 'parent':
      return record.parent;
    case 'kind':
      return record.kind;
    case 'labels':
      return record.labels.get(path.slice(1).join('.'));
    default:
      return undefined;
  }
}
