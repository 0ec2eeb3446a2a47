import type { Cast } from './cast.ts';
import { type Run, styledLines } from './styled-lines.ts';

/** How long it plays, whatever the run took, in seconds: as a reader needs. */
const PLAY = 70;
/** How long the end stays, in seconds. */
const HOLD = 8;

const FONT_SIZE = 13;
const COLUMN = 7.83;
const LINE = 18;
const MARGIN = 16;

/**
 * A recording as an SVG that plays it, slowed down, again and again. What is written later lies below a cover that sinks; all of it moves up as
 * lines come. Viewers that do not animate, or are asked not to, show the end.
 */
export function renderCast({ width, height, events }: Cast): string {
  const lines = styledLines(
    events
      .map(([, text]) => text)
      .join('')
      .trimEnd(),
  );
  const shown = linesShown(events);
  const end = events.at(-1)?.[0] ?? 1;
  const duration = PLAY + HOLD;
  /** Positions at their times, where they change. */
  const keyframes = (position: (count: number) => number): string =>
    shown
      .map(({ seconds, count }) => ({ at: percent(((seconds / end) * PLAY) / duration), y: position(count) }))
      .filter(({ y }, i, all) => y !== all[i - 1]?.y)
      .map(({ at, y }) => `${at}{transform:translateY(${y}px)}`)
      .join('');
  const up = (count: number): number => -LINE * Math.max(0, Math.min(count, lines.length) - height);
  const down = (count: number): number => LINE * Math.min(count, lines.length);
  const [w, h] = [Math.ceil(width * COLUMN) + 2 * MARGIN, height * LINE + 2 * MARGIN];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" role="img" aria-label="Recording of npm run demo" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${FONT_SIZE}">
<style>
text{fill:#e6edf3}.b{font-weight:700}.d{fill:#8b949e}.red{fill:#ff7b72}.green{fill:#7ee787}.yellow{fill:#d29922}.cyan{fill:#76e3ea}.page{fill:#0d1117}
.lines{animation:lines ${duration}s step-end infinite}
.cover{animation:cover ${duration}s step-end infinite}
@keyframes lines{${keyframes(up)}}
@keyframes cover{${keyframes(down)}}
@media (prefers-reduced-motion:reduce){.lines,.cover{animation:none}}
</style>
<rect class="page" width="${w}" height="${h}" rx="8"/>
<svg x="${MARGIN}" y="${MARGIN}" width="${w - 2 * MARGIN}" height="${height * LINE}">
<g class="lines" transform="translate(0 ${up(lines.length)})">
${lines.flatMap((runs, i) => runs.map((run) => renderRun(run, i))).join('\n')}
<rect class="page cover" transform="translate(0 ${down(lines.length)})" width="${w}" height="${lines.length * LINE}"/>
</g>
</svg>
</svg>
`;
}

/** How many lines there are after each event: a line counts once something is in it. */
function linesShown(events: Cast['events']): readonly { readonly seconds: number; readonly count: number }[] {
  let count = 0;
  const shown = events.map(([seconds, text]) => {
    count += text.split('\r\n').length - 1;
    return { seconds, count };
  });
  return [{ seconds: 0, count: 0 }, ...shown];
}

/** Each run has its width told, so that columns stay columns in any font. */
function renderRun({ column, text, bold, dim, colour }: Run, line: number): string {
  const classes = [bold ? 'b' : '', dim ? 'd' : '', colour ?? ''].filter((name) => name !== '').join(' ');
  const style = classes === '' ? '' : ` class="${classes}"`;
  const length = (text.length * COLUMN).toFixed(1);
  return `<text x="${(column * COLUMN).toFixed(1)}" y="${line * LINE + FONT_SIZE}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${style}>${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function percent(part: number): string {
  return `${(part * 100).toFixed(2)}%`;
}
