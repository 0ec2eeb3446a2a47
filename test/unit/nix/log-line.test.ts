import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { LineSplitter } from '../../../src/nix/line-splitter.ts';
import { parseLogLine } from '../../../src/nix/log-line.ts';
import { RealiseLog } from '../../../src/nix/realise-log.ts';

describe('parseLogLine', () => {
  it('reads a message without its colours', () => {
    const line = String.raw`@nix {"action":"msg","level":1,"msg":"\u001b[35;1mwarning:\u001b[0m odd"}`;
    assert.deepEqual(parseLogLine(line), { kind: 'message', level: 1, text: 'warning: odd' });
  });

  it('takes plain text for a message of the level it names', () => {
    assert.deepEqual(parseLogLine('error: no such thing'), {
      kind: 'message',
      level: 0,
      text: 'error: no such thing',
    });
    assert.deepEqual(parseLogLine('copying'), { kind: 'message', level: 3, text: 'copying' });
  });

  it('takes broken JSON for plain text', () => {
    assert.equal(parseLogLine('@nix {"action":')?.kind, 'message');
    assert.equal(parseLogLine('@nix null')?.kind, 'message');
  });

  it('never throws, whatever is written', () => {
    const scalar = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.integer()));
    const object = fc.record(
      {
        action: fc.constantFrom('msg', 'start', 'stop', 'result', 'x'),
        id: scalar,
        type: scalar,
        msg: scalar,
        fields: scalar,
      },
      { requiredKeys: [] },
    );
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      object.map((value) => `@nix ${JSON.stringify(value)}`),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const log = new RealiseLog();
        for (const one of lines) log.add(one);
        const { bytesDone, bytesTotal } = log.progress();
        assert.ok(bytesTotal >= bytesDone);
        assert.ok(log.record().messages.length <= 20);
      }),
    );
  });
});

describe('RealiseLog', () => {
  it('keeps a bounded number of short messages', () => {
    const log = new RealiseLog();
    for (let n = 0; n < 1000; n++) log.add(`error: ${n} ${'x'.repeat(5000)}`);
    const { messages } = log.record();
    assert.equal(messages.length, 20);
    assert.match(messages.at(-1) ?? '', /^error: 999 /);
    assert.ok(messages.every((message) => message.length <= 600));
  });

  it('keeps a bounded number of substituters and activities', () => {
    const log = new RealiseLog();
    for (let id = 0; id < 20_000; id++) {
      log.add(
        `@nix ${JSON.stringify({ action: 'start', id, type: 109, fields: ['/p', `http://cache-${id}`] })}`,
      );
      log.add(`@nix ${JSON.stringify({ action: 'start', id: id + 1e6, type: 100, fields: [] })}`);
    }
    assert.equal(log.progress().substituters.length, 50);
  });
});

describe('LineSplitter', () => {
  it('gives the lines of any cutting of the bytes', () => {
    const lines = fc.array(fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n]/g, '')));
    fc.assert(
      fc.property(lines, fc.array(fc.nat({ max: 200 })), (expected, cuts) => {
        const bytes = Buffer.from(expected.join('\n'));
        const seen: string[] = [];
        const splitter = new LineSplitter((line) => seen.push(line));
        let start = 0;
        for (const cut of [...cuts, bytes.length]) {
          splitter.write(bytes.subarray(start, start + cut));
          start += cut;
        }
        splitter.end();
        assert.deepEqual(
          seen,
          expected.map((line) => Buffer.from(line).toString()).filter((line) => line !== ''),
        );
      }),
    );
  });

  it('cuts a line that never ends', () => {
    const seen: string[] = [];
    const splitter = new LineSplitter((line) => seen.push(line));
    for (let n = 0; n < 100; n++) splitter.write(Buffer.alloc(10_000, 'x'));
    splitter.write(Buffer.from('\nnext\n'));
    assert.deepEqual([seen[0]?.length, seen[1]], [64 * 1024, 'next']);
  });
});
