import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { CONTAINERD_COLUMNS, provenBy } from '../../../docs/generate/cells.ts';
import { claimsIn, COMPATIBILITY_PAGE, unprovenClaims } from '../../../docs/generate/claims.ts';
import { type Feature, FEATURES, NIX_FEATURES } from '../../../docs/generate/features.ts';
import type { Outcome } from '../../run-tests.ts';

const FEATURE: Feature = { feature: 'x', proofs: [{ suite: 'a suite', tests: ['one', 'other'] }] };

function outcome(state: Outcome['state'], ...path: readonly string[]): Outcome {
  return { path, state };
}

/** What the outcomes say of the feature on containerd 2.3. */
function proven(outcomes: readonly Outcome[], feature = FEATURE) {
  const column = CONTAINERD_COLUMNS.find(({ title }) => title === '2.3');
  assert.ok(column);
  return provenBy(outcomes, feature, column);
}

describe('a cell of the compatibility page', () => {
  const suite = 'a suite, on containerd 2.3';
  const one = outcome('passed', suite, 'one thing');

  it('is yes when each proof ran and passed', () => {
    assert.equal(proven([one, outcome('passed', suite, 'nested', 'the other thing')]), 'yes');
  });

  it('is empty when one did not run, was skipped, or ran on another containerd', () => {
    assert.equal(proven([one]), undefined);
    assert.equal(proven([one, outcome('skipped', suite, 'other')]), undefined);
    assert.equal(proven([one, outcome('passed', 'a suite, on containerd 2.4', 'other')]), undefined);
  });

  it('fails when one fails', () => {
    assert.equal(
      proven([one, outcome('passed', suite, 'other'), outcome('failed', suite, 'another')]),
      'fails',
    );
  });

  it('counts suites with the view of its feature only', () => {
    const binds = [outcome('passed', `${suite} with view "binds"`, 'one, other')];
    assert.equal(proven(binds), undefined);
    assert.equal(proven(binds, { ...FEATURE, view: 'binds' }), 'yes');
  });
});

describe(COMPATIBILITY_PAGE, async () => {
  const page = await readFile(COMPATIBILITY_PAGE, 'utf8');
  const claims = claimsIn(page);

  it('has every feature', () => {
    assert.deepEqual(
      FEATURES.filter(({ feature }) => !claims.has(feature)),
      [],
    );
    assert.deepEqual(
      NIX_FEATURES.filter(({ feature }) => !page.includes(`| ${feature} |`)),
      [],
    );
  });

  it('claims nothing that fails', () => {
    assert.deepEqual(
      [...claims.values()].flat().filter((cell) => cell === 'fails'),
      [],
    );
  });

  it('names suites and tests that exist', async () => {
    const files = await Array.fromAsync(glob('test/{integration,e2e}/**/*.ts'));
    const source = (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
    const named = [...FEATURES, ...NIX_FEATURES].flatMap(({ proofs }) =>
      proofs.flatMap(({ suite, tests = [] }) => [suite, ...tests.filter((test) => !test.startsWith('by '))]),
    );
    assert.deepEqual(
      named.filter((name) => !source.includes(name)),
      [],
    );
  });

  it('is contradicted by results that lack a test of it, but not by those of a missing component', async () => {
    const results = { date: '', kernel: '', arch: '', components: {} };
    const claimed = [...claims.values()].flat().filter((cell) => cell === 'yes').length;
    assert.equal((await unprovenClaims({ ...results, outcomes: [] })).length, claimed);
    const skipped = FEATURES.flatMap(({ proofs, view = 'overlay' }) =>
      CONTAINERD_COLUMNS.flatMap(({ title }) =>
        proofs.map(({ suite }) => outcome('skipped', `${suite} on containerd ${title} with view "${view}"`)),
      ),
    );
    assert.deepEqual(await unprovenClaims({ ...results, outcomes: skipped }), []);
  });
});
