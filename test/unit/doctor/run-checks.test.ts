import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { describeFindings } from '../../../src/doctor/describe.ts';
import { failure, fine, warning } from '../../../src/doctor/finding.ts';
import { runChecks } from '../../../src/doctor/run-checks.ts';

const TROUBLE = { what: 'a', why: 'b', fix: 'c' };

test('findings come in the order of the checks', async () => {
  const slow = { name: 'slow', run: async () => await Promise.resolve([fine('one', 'first')]) };
  const quick = { name: 'quick', run: () => Promise.resolve([fine('two', 'second')]) };
  const { findings, isLate } = await runChecks([slow, quick], 10_000);
  deepEqual(
    findings.map(({ id }) => id),
    ['one', 'two'],
  );
  equal(isLate, false);
});

test('a check that fails, or hangs, is a finding, and the others are told', async () => {
  const broken = { name: 'broken', run: () => Promise.reject(new Error('it fell')) };
  const stuck = { name: 'stuck', run: () => new Promise<never>(() => undefined) };
  const good = { name: 'good', run: () => Promise.resolve([fine('good', 'is good')]) };
  const { findings, isLate } = await runChecks([broken, stuck, good], 20);
  deepEqual(
    findings.map(({ id, level }) => [id, level]),
    [
      ['broken-unknown', 'error'],
      ['stuck-unknown', 'error'],
      ['good', 'ok'],
    ],
  );
  match(findings[0]?.what ?? '', /it fell/);
  match(findings[1]?.what ?? '', /no answer within 0\.02 s/);
  equal(isLate, true);
});

test('a check that waits for its signal ends with it', async () => {
  const waiting = {
    name: 'waiting',
    run: async (signal: AbortSignal) => {
      await new Promise((_, reject) => signal.addEventListener('abort', reject));
      return [];
    },
  };
  const { findings } = await runChecks([waiting], 20);
  deepEqual(
    findings.map(({ id }) => id),
    ['waiting-unknown'],
  );
});

test('the worst is said last, with its fix and commands', () => {
  const text = describeFindings([
    failure('bad', {
      what: 'it is\nbad\u001b[2J\u202e',
      why: 'so',
      fix: 'mend it',
      commands: ['mend --it\u009b2J'],
    }),
    warning('odd', TROUBLE),
    fine('good', 'it is good'),
  ]);
  equal(
    text,
    [
      'ok       it is good [good]',
      'warning  a [odd]',
      '         why: b',
      '         fix: c',
      'error    it is bad [bad]',
      '         why: so',
      '         fix: mend it',
      String.raw`           # mend --it\u009b2J`,
      '1 error, 1 warning',
      '',
    ].join('\n'),
  );
});

test('where nothing is wrong that is said', () => {
  match(describeFindings([fine('good', 'it is good')]), /\nnothing is wrong here\n$/);
});
