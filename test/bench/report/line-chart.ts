/** A line of a chart: points by ascending x. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Drawn as a dashed grey line: what the others are compared with. */
  readonly floor: boolean;
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

const WIDTH = 640;
const HEIGHT = 340;
const FRAME = { left: 64, right: 120, top: 40, bottom: 48 } as const;
const COLOURS = ['#0b6e4f', '#c8553d', '#3d5a80', '#8f2d56', '#b8860b', '#5c4d7d'] as const;
const FLOOR_COLOUR = '#777777';
/** Least distance of two names at the right edge. */
const NAME_HEIGHT = 14;

/** An SVG with a logarithmic x axis and a y axis from 0. */
export function lineChart({ title, xLabel, yLabel, series }: Chart): string {
  const points = series.flatMap((one) => one.points);
  const xs = [...new Set(points.map(([x]) => x))].toSorted((one, other) => one - other);
  const step = niceStep(Math.max(...points.map(([, y]) => y)) / 4);
  const top = step * Math.ceil(Math.max(...points.map(([, y]) => y)) / step);
  const [low, high] = [Math.log10(xs[0] ?? 1), Math.log10(xs.at(-1) ?? 10)];
  const right = WIDTH - FRAME.right;
  const bottom = HEIGHT - FRAME.bottom;
  const atX = (x: number) => FRAME.left + ((Math.log10(x) - low) / (high - low || 1)) * (right - FRAME.left);
  const atY = (y: number) => bottom - (y / top) * (bottom - FRAME.top);
  const rows = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step).map(
    (y) =>
      `<line x1="${FRAME.left}" x2="${right}" y1="${n(atY(y))}" y2="${n(atY(y))}" stroke="#dddddd"/>` +
      text(FRAME.left - 8, atY(y) + 4, y.toLocaleString('en'), 'end'),
  );
  const columns = xs.map((x) => text(atX(x), bottom + 18, x.toLocaleString('en'), 'middle'));
  const colours = series.map(({ floor }, index) =>
    floor ? FLOOR_COLOUR : (COLOURS[index % COLOURS.length] ?? ''),
  );
  const lines = series.map((one, index) => lineOf(one, colours[index] ?? '', atX, atY));
  const ends = spread(series.map(({ points: own }) => atY(own.at(-1)?.[1] ?? 0)));
  const names = series.map(({ name }, index) =>
    text(right + 8, (ends[index] ?? 0) + 4, name, 'start', colours[index]),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    text(FRAME.left, 22, `${title} (${yLabel})`, 'start'),
    ...rows,
    ...columns,
    text((FRAME.left + right) / 2, HEIGHT - 10, xLabel, 'middle'),
    ...lines,
    ...names,
    '</svg>\n',
  ].join('\n');
}

function lineOf(
  { points, floor }: Series,
  colour: string,
  atX: (x: number) => number,
  atY: (y: number) => number,
): string {
  const path = points.map(([x, y]) => `${n(atX(x))},${n(atY(y))}`).join(' ');
  const dots = points.map(([x, y]) => `<circle cx="${n(atX(x))}" cy="${n(atY(y))}" r="3" fill="${colour}"/>`);
  const dashes = floor ? ' stroke-dasharray="5 4"' : '';
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>${dots.join('')}`;
}

/** Moves heights apart so that names do not cover each other; the order stays. */
function spread(heights: readonly number[]): readonly number[] {
  const order = [...heights.keys()].toSorted((one, other) => (heights[one] ?? 0) - (heights[other] ?? 0));
  const moved = [...heights];
  let last = Number.NEGATIVE_INFINITY;
  for (const index of order) {
    last = Math.max(heights[index] ?? 0, last + NAME_HEIGHT);
    moved[index] = last;
  }
  return moved;
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power;
}

function text(x: number, y: number, content: string, anchor: string, colour = '#333333'): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}" fill="${colour}">${escaped}</text>`;
}

function n(value: number): string {
  return value.toFixed(1);
}
