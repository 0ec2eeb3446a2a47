import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { formatCast, parseCast, record } from '../../../docs/generate/recording/cast.ts';
import { RECORDING } from '../../../docs/generate/recording/recording.ts';
import { renderCast } from '../../../docs/generate/recording/render.ts';
import { styledLines } from '../../../docs/generate/recording/styled-lines.ts';

describe('a recording', () => {
  it('is what a command wrote, with colours and times', async () => {
    const script = `import { styleText } from 'node:util';
      process.stdout.write(styleText('bold', 'one', { stream: process.stdout }) + '\\n');
      setTimeout(() => process.stdout.write('two\\n'), 400);`;
    const cast = await record(process.execPath, ['--input-type=module', '--eval', script]);
    assert.equal(cast.events.map(([, text]) => text).join(''), '\x1b[1mone\x1b[22m\r\ntwo\r\n');
    const [first = 0, last = 0] = [cast.events[0]?.[0], cast.events.at(-1)?.[0]];
    assert.ok(last > first);
    assert.deepEqual(parseCast(formatCast(cast)), cast);
  });

  it('of a command that fails is none', async () => {
    await assert.rejects(record(process.execPath, ['--eval', 'process.exit(3)']), /exit code 3/);
  });

  it('is read in runs of one style, at their columns', () => {
    const plain = { bold: false, dim: false, colour: undefined };
    assert.deepEqual(styledLines('a b   \x1b[1m\x1b[36mc\x1b[39md\x1b[22m\r\n\x1b[2m│\x1b[22m e'), [
      [
        { ...plain, column: 0, text: 'a b' },
        { ...plain, column: 6, text: 'c', bold: true, colour: 'cyan' },
        { ...plain, column: 7, text: 'd', bold: true },
      ],
      [
        { ...plain, column: 0, text: '│', dim: true },
        { ...plain, column: 2, text: 'e' },
      ],
    ]);
    assert.throws(() => styledLines('\x1b[2J'), /no style/);
    assert.throws(() => styledLines('\x1b[7mx'), /style 7 is not known/);
  });

  it('as a picture has all lines, shows them one after the other, and ends with the last ones', () => {
    const events = [1, 2, 3, 4].map((n) => [n, `<line ${n}>\r\n`] as const);
    const picture = renderCast({ width: 20, height: 2, events });
    for (const n of [1, 2, 3, 4]) assert.match(picture, new RegExp(`>&lt;line ${n}></text>`));
    assert.match(picture, /class="lines" transform="translate\(0 -36\)"/);
    assert.match(
      picture,
      /@keyframes cover\{0\.00%\{transform:translateY\(0px\)\}22\.44%\{transform:translateY\(18px\)\}/,
    );
    assert.match(
      picture,
      /@keyframes lines\{0\.00%\{transform:translateY\(0px\)\}67\.31%\{transform:translateY\(-18px\)\}/,
    );
  });
});

describe(RECORDING.cast, () => {
  it('has the steps that the demo has', async () => {
    const { events } = parseCast(await readFile(RECORDING.cast, 'utf8'));
    const shown = events.map(([, text]) => text).join('');
    const sources = await Promise.all(
      ['demo', 'show-images'].map((name) => readFile(`examples/demo/${name}.ts`, 'utf8')),
    );
    const steps = [...sources.join('\n').matchAll(/report\.begin\('([^']+)'\)/g)].map(
      ([, title = '']) => title,
    );
    assert.equal(steps.length, 9);
    assert.deepEqual(
      steps.filter((title) => title !== 'Over to you' && !shown.includes(`. ${title}`)),
      [],
    );
  });
});
