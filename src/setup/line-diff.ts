type Part = { readonly sign: ' ' | '-' | '+'; readonly line: string };

/**
 * A unified diff of two texts, without the header of file names; empty when they are the same.
 *
 * @param context how many lines around a change are shown with it.
 */
export function lineDiff(before: string, after: string, context = 3): string {
  const parts = compare(linesOf(before), linesOf(after));
  const changed = parts.flatMap((part, at) => (part.sign === ' ' ? [] : [at]));
  const out: string[] = [];
  let at = 0;
  while (changed[at] !== undefined) {
    const first = at;
    while ((changed[at + 1] ?? Infinity) - (changed[at] ?? 0) <= Math.max(1, 2 * context)) at += 1;
    const from = Math.max(0, (changed[first] ?? 0) - context);
    const to = Math.min(parts.length, (changed[at] ?? 0) + context + 1);
    out.push(`${header(parts, from, to)}\n`);
    for (const { sign, line } of parts.slice(from, to)) out.push(`${sign}${line}\n`);
    at += 1;
  }
  return out.join('');
}

function header(parts: readonly Part[], from: number, to: number): string {
  const count = (sign: '-' | '+', start: number, end: number) =>
    parts.slice(start, end).filter((part) => part.sign === ' ' || part.sign === sign).length;
  const range = (sign: '-' | '+') => {
    const length = count(sign, from, to);
    return `${count(sign, 0, from) + (length === 0 ? 0 : 1)},${length}`;
  };
  return `@@ -${range('-')} +${range('+')} @@`;
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** Longest common subsequence; configuration files are short. */
function compare(before: readonly string[], after: readonly string[]): readonly Part[] {
  const length = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1));
  const at = (row: number, column: number) => length[row]?.[column] ?? 0;
  for (let row = before.length - 1; row >= 0; row -= 1) {
    for (let column = after.length - 1; column >= 0; column -= 1) {
      const same = before[row] === after[column];
      const best = same ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
      (length[row] ?? [])[column] = best;
    }
  }
  const parts: Part[] = [];
  let [row, column] = [0, 0];
  while (row < before.length || column < after.length) {
    const [removed, added] = [before[row], after[column]];
    if (removed !== undefined && removed === added) {
      parts.push({ sign: ' ', line: removed });
      row += 1;
      column += 1;
    } else if (removed !== undefined && (added === undefined || at(row + 1, column) >= at(row, column + 1))) {
      parts.push({ sign: '-', line: removed });
      row += 1;
    } else if (added !== undefined) {
      parts.push({ sign: '+', line: added });
      column += 1;
    }
  }
  return parts;
}
