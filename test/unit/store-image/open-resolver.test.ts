import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { openResolver, type ResolverParts } from '../../../src/store-image/open-resolver.ts';

it('each link that an earlier run left has one owner: builds keep theirs', async () => {
  const roots = mkdtempSync(join(tmpdir(), 'open-resolver-'));
  try {
    const plain = `${'c'.repeat(32)}-hello`;
    for (const name of [plain, `${plain}.drv`, `${plain}.drv-dev`, 'flake-0'])
      symlinkSync('/nix/store/x', join(roots, name));
    const found: string[] = [];
    const removed: string[] = [];
    const ages: number[] = [];
    const queue = {
      keepFound: (root: string, since: number) => {
        found.push(root);
        ages.push(Date.now() - since);
      },
    };
    const builder = { removeRoot: async (root: string) => removed.push(root) };
    const parts = { queue, builder, log: silentLog } as unknown as ResolverParts;
    const setup = { deadlineMs: 1, graceMs: 60_000, roots, build: 'drv' } as const;
    await using _ = await openResolver(setup, parts);
    assert.deepEqual(found, [join(roots, plain)]);
    assert.ok(ages.every((age) => Math.abs(age) < 60_000));
    assert.deepEqual(removed, []);
  } finally {
    rmSync(roots, { recursive: true });
  }
});
