import assert from 'node:assert/strict';
import { it } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { requireNode } from '../../src/node-version.ts';

it('a Node.js that is older than package.json asks for is refused with what to do', () => {
  const oldest = Number.parseInt(manifest.engines.node.slice('>='.length), 10);
  requireNode(`${oldest}.0.0`);
  requireNode(process.versions.node);
  assert.throws(() => requireNode(`${oldest - 1}.9.9`), {
    code: 'FailedPrecondition',
    message: new RegExp(
      `^Node\\.js ${oldest - 1}\\.9\\.9 .* is too old: install Node\\.js ${oldest} or newer`,
    ),
  });
});
