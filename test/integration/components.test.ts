import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import allowedMissing from '../sandbox/allowed-missing.json' with { type: 'json' };
import { CLUSTER_COMPONENTS, COMPONENTS, probe, skipWithout } from '../sandbox/components.ts';

const unavailable = sandboxUnavailable();
// The suite that needs a cluster gets the others.
const components = COMPONENTS.filter((component) => !CLUSTER_COMPONENTS.includes(component));

describe('component', { skip: unavailable ?? false }, () => {
  for (const component of unavailable === undefined ? components : []) {
    it(component, async (t) => {
      const found = await probe(component);
      if ('version' in found) return t.diagnostic(`${component}: ${found.version}`);
      if (process.env['CI'] && !found.mayBeMissing) {
        assert.fail(`${component} is not available and not on the allow-list: ${found.reason}`);
      }
      t.skip(String(await skipWithout(component)));
    });
  }

  it('allow-list names components only', () => {
    const known = new Set<string>(COMPONENTS);
    for (const name of Object.keys(allowedMissing)) assert.ok(known.has(name), name);
  });
});
