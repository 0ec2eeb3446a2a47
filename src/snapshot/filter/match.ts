import type { RE2JS } from 're2js';
import { messageOf, StatusError } from '../../errors.ts';
import type { SnapshotRecord } from '../../metadata/schema.ts';
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

/** Compiled with RE2's semantics: linear in time, so that a hostile expression cannot stall the daemon. */
async function compileExpressions(selectors: readonly Selector[]): Promise<Map<string, RE2JS>> {
  const compiled = new Map<string, RE2JS>();
  const wanted = selectors.filter((selector) => selector.operator === '~=');
  if (wanted.length === 0) return compiled;
  const { RE2JS } = await import('re2js');
  for (const { value } of wanted) {
    try {
      compiled.set(value, RE2JS.compile(value));
    } catch (error) {
      throw new StatusError(
        'InvalidArgument',
        `filters: ${JSON.stringify(value)} is not a regular expression: ${messageOf(error)}: invalid argument`,
        { cause: error },
      );
    }
  }
  return compiled;
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
