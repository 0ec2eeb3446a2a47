/** How a piece of text looks. */
export interface Style {
  readonly bold: boolean;
  readonly dim: boolean;
  readonly colour: string | undefined;
}

export interface Run extends Style {
  readonly column: number;
  readonly text: string;
}

const PLAIN: Style = { bold: false, dim: false, colour: undefined };

/** What codes of "select graphic rendition" change. Source: ECMA-48, 8.3.117. */
const CODES: Readonly<Record<number, Partial<Style>>> = {
  0: PLAIN,
  1: { bold: true },
  2: { dim: true },
  22: { bold: false, dim: false },
  31: { colour: 'red' },
  32: { colour: 'green' },
  33: { colour: 'yellow' },
  36: { colour: 'cyan' },
  39: { colour: undefined },
};

/**
 * Text as a terminal shows it that only ever writes at its end: lines of runs of one style each.
 *
 * @throws Error for an escape sequence that is no change of style, or of a style that is not known here.
 */
export function styledLines(text: string): readonly (readonly Run[])[] {
  let style = PLAIN;
  return text.split('\r\n').map((line) => {
    const runs: Run[] = [];
    let column = 0;
    for (const [i, part] of line.split('\x1b').entries()) {
      const [, codes, plain = ''] = i === 0 ? ['', undefined, part] : (/^\[([\d;]*)m(.*)$/.exec(part) ?? []);
      if (i > 0 && codes === undefined)
        throw new Error(`${JSON.stringify(line)}: an escape sequence that is no style`);
      if (codes !== undefined) style = codes.split(';').reduce(changed, style);
      // Not every viewer keeps more than one space.
      for (const { 0: words, index } of plain.matchAll(/\S+(?: \S+)*/g)) {
        runs.push({ ...style, column: column + index, text: words });
      }
      column += plain.length;
    }
    return runs;
  });
}

function changed(style: Style, code: string): Style {
  const change = CODES[Number(code)];
  if (change === undefined) throw new Error(`style ${code} is not known`);
  return { ...style, ...change };
}
