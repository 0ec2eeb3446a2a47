import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import type { StatusResponse } from '../../../proto/gen/messages.ts';
import { watchStatus } from '../../../src/status/watch.ts';
import { statusAnswer } from './answer.ts';

const FAST = { json: false, intervalMs: 1 };

/** A daemon that gives these answers, an error for a text; then the watch ends. */
async function watched(
  answers: readonly (StatusResponse | string)[],
  {
    json = false,
    terminal,
    term = 'xterm',
  }: { json?: boolean; terminal?: { columns: number; rows: number }; term?: string } = {},
): Promise<string> {
  const left = [...answers];
  const end = new AbortController();
  const output = new PassThrough();
  const ask = async () => {
    const next = left.shift();
    if (left.length === 0) setImmediate(() => end.abort());
    if (next === undefined) return await new Promise<never>(() => {});
    if (typeof next === 'string') throw new Error(next);
    return next;
  };
  const shown = Object.assign(output, terminal === undefined ? {} : { isTTY: true as const, ...terminal });
  await watchStatus({ ...FAST, json }, { ask, output: shown, term, signal: end.signal });
  return String(output.read() ?? '');
}

describe('status --watch', () => {
  const other = { ...statusAnswer(), pid: 8n };

  it('in a pipe writes a line for each change, and waits for a daemon that goes', async () => {
    const text = await watched([statusAnswer(), statusAnswer(), 'dial: refused', 'dial: refused', other]);
    const lines = text.trimEnd().split('\n');
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z \S/);
    assert.deepEqual(
      lines.slice(9).map((line) => line.slice(25)),
      [
        'dial: refused; waiting for the daemon',
        'the daemon answers',
        'nix-snapshotter 1, pid 8, on /run/x.sock',
      ],
    );
  });

  it('on a terminal that cannot be drawn on writes what it writes into a pipe', async () => {
    const text = await watched([statusAnswer(), other], {
      terminal: { columns: 80, rows: 24 },
      term: 'dumb',
    });
    assert.match(text, /^\d{4}-\d\d-\d\dT[\d:.]+Z nix-snapshotter/);
    assert.ok(!text.includes('\u001b'));
  });

  it('as JSON writes a line for each look', async () => {
    const lines = (await watched([statusAnswer(), 'gone\u001b[2J', other], { json: true }))
      .trimEnd()
      .split('\n');
    const looks = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(looks.length, 3);
    assert.equal(looks[0]?.['pid'], 7);
    assert.deepEqual(looks[1], { error: 'gone' });
    assert.equal(looks[2]?.['pid'], 8);
  });

  it('on a terminal draws over what it drew, and no more than it can show', async () => {
    const terminal = { columns: 40, rows: 6 };
    const text = await watched([statusAnswer(), 'refused'], { terminal });
    const frames = text.split('\u001b[H').slice(1);
    assert.equal(frames.length, 2);
    for (const frame of frames) {
      const lines = frame.split('\u001b[K\n');
      assert.equal(lines.at(-1), '\u001b[J');
      assert.ok(lines.length <= terminal.rows, frame);
      for (const line of lines) assert.ok(line.length <= terminal.columns, line);
    }
    assert.match(frames[1] ?? '', /waiting for the daemon/);
  });

  it('takes a terminal without a size for a usual one', async () => {
    const text = await watched([statusAnswer()], { terminal: { columns: 0, rows: 0 } });
    assert.match(text, /\(end with Ctrl-C\).*\n.*pid 7/);
  });

  it('ends when nobody reads', async () => {
    const output = new PassThrough();
    const ended = watchStatus(FAST, { ask: async () => statusAnswer(), output });
    output.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await ended;
  });

  it('says what else is wrong with its output', async () => {
    const output = new PassThrough();
    const ended = watchStatus(FAST, { ask: async () => statusAnswer(), output });
    output.destroy(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    await assert.rejects(ended, /no space left/);
  });
});
