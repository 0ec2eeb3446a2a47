import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';

describe('reference pages', () => {
  it('docs/annotations.md has every annotation that the source names, and no other', async () => {
    const files = await Array.fromAsync(glob('src/**/*.ts'));
    const source = (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
    const page = await readFile('docs/annotations.md', 'utf8');
    const inSource = [...source.matchAll(/'(containerd\.io\/snapshot\/(?:nix-|[ug]idmapping)[\w.-]*)'/g)];
    const inPage = [...page.matchAll(/`(containerd\.io\/snapshot\/[\w.-]+)(?:<n>)?`/g)];
    const names = (matches: readonly RegExpExecArray[]): readonly string[] =>
      [...new Set(matches.map(([, name = '']) => name))].toSorted();
    assert.deepEqual(names(inPage), names(inSource));
  });

  it('docs/status.md has every field of a status', async () => {
    const proto = await readFile('proto/nix_snapshotter/v1/status.proto', 'utf8');
    const page = await readFile('docs/status.md', 'utf8');
    const fields = [...proto.matchAll(/^ +(?:repeated )?[\w.]+ (\w+) = \d+;/gm)].map(([, name = '']) => name);
    const messages = ['nix_store', 'view', 'snapshots', 'realises', 'problems', 'repairs'];
    assert.deepEqual(
      fields.filter((name) => !messages.includes(name) && !new RegExp(`\`(\\w+\\.)?${name}\``).test(page)),
      [],
    );
  });
});
