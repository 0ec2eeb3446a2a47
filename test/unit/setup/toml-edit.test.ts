import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MARKER } from '../../../src/setup/marker.ts';
import { addElement, addKey, withoutLines } from '../../../src/setup/toml-edit.ts';
import { toml } from './toml.ts';

const GLOB = '/etc/containerd/conf.d/*.toml';

describe('a line is added to a TOML file of somebody else', () => {
  for (const [what, before, imports] of [
    ['an empty file', '', [GLOB]],
    ['comments alone', '# mine\n', [GLOB]],
    ['no newline at the end', 'version = 2', [GLOB]],
    ['tables', '# a\nversion = 3 # b\n\n[grpc]\n  address = "/a"\n', [GLOB]],
    ['an empty list', 'imports = []\nversion = 2\n', [GLOB]],
    ['a list', 'version = 2\nimports = ["/a/*.toml"]\n[grpc]\n', ['/a/*.toml', GLOB]],
    ['a list with a comma at its end', 'imports = [ "/a", ] # c\n', ['/a', GLOB]],
    [
      'a list of several lines',
      'imports = [\n  "/a]", # [x]\n  \'/b"\'\n]\nversion = 3\n',
      ['/a]', '/b"', GLOB],
    ],
  ] as const) {
    it(`${what}: the file says what it said and our element, and the same without our lines`, () => {
      const { text, lines } = addElement('/f', before, 'imports', GLOB);
      assert.deepEqual(toml(text), { ...toml(before), imports: [...imports] });
      assert.ok(lines.every((line) => line.endsWith(MARKER)));
      const without = withoutLines(text, lines) ?? '';
      const letters = (one: string) => one.replaceAll(/[\s,]/g, '');
      assert.equal(letters(without), letters(before));
      assert.deepEqual(toml(without), toml(before));
    });
  }

  it('a key goes into its table, which is made where there is none', () => {
    const key = { table: 'resolver', key: 'address', value: '127.0.0.1:1' };
    const added = addKey('/f', '[gc]\ngrace = "1s"', key);
    assert.deepEqual(toml(added.text), { gc: { grace: '1s' }, resolver: { address: '127.0.0.1:1' } });
    assert.equal(withoutLines(added.text, added.lines), '[gc]\ngrace = "1s"\n');
    const into = addKey('/f', '[resolver] # mine\ndeadline = "1s"\n[gc]\n', key);
    assert.deepEqual(toml(into.text), { gc: {}, resolver: { deadline: '1s', address: '127.0.0.1:1' } });
  });

  it('where there is no place for a line, the file and the line are told', () => {
    const told = { code: 'FailedPrecondition', message: /^\/f: .*add this by hand: address = "x"/ };
    const key = { table: 'resolver', key: 'address', value: 'x' };
    for (const before of ['resolver = { deadline = "1s" }\n', 'resolver.deadline = "1s"\n']) {
      assert.throws(() => addKey('/f', before, key), told);
    }
    assert.throws(() => addElement('/f', 'imports = "no list"\n', 'imports', GLOB), { message: /by hand/ });
  });

  it('a file that is not TOML is told', () => {
    assert.throws(() => addElement('/f', 'imports = [', 'imports', GLOB), {
      code: 'FailedPrecondition',
      message: /^\/f is not TOML: line 1, column \d+: [^\n]+; repair it/,
    });
  });
});

it('lines that are not there as they were written are not taken out', () => {
  assert.equal(withoutLines('a\nb\n', ['b', 'c']), undefined);
  assert.equal(withoutLines('a\nb\nb\n', ['b', 'a']), 'b\n');
});
