import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { secretHider } from '../../../src/setup/hide-secrets.ts';

const TOKEN = 'f'.repeat(64);
const OURS = '<the text of /t>';
const hide = secretHider(TOKEN, '/t');

describe('what is shown of a file with secrets', () => {
  for (const [what, text] of [
    ['JSON', '{ "auths": { "quay.io": { "auth": "s3cret" } } }'],
    [
      'JSON in one line',
      '{"auths":{"quay.io":{"auth":"s3cret","identitytoken":"s3cr\\"et"},"b":{"auth":"s3cret"}}}',
    ],
    ['JSON with the value on its own line', '{ "auth":\n    "s3cret" }'],
    ['YAML', 'configs:\n  a:\n    auth:\n      username: u\n      password: s3cret, # s3cret\n'],
    ['YAML in one line', "configs: {a: {auth: {username: u, password: 's3''cret'}}}"],
    ['YAML with the value on its own line', 'password:\n  s3cret\n'],
    ['YAML with a block', 'password: >-\n  s3cret\n  s3cret\n'],
    ['TOML', '[a.auth]\nusername = "u"\npassword = "s3cret"\nidentitytoken=\'s3cret\'\n'],
    ['TOML in one line', 'a."b.c".auth = { username = "u", password = "s3cret" }'],
    ['TOML with several lines', 'auth = """\ns3cret"""\n'],
    ['headers', '[registry.headers]\nX-Auth-Token = [\n  "s3cret"\n]\nAuthorization = ["Basic s3cret"]\n'],
    ['a comment', '# password = "s3cret"\n'],
    ['CRLF', '"auth":\r\n  "s3cret"'],
  ] as const) {
    it(`${what}: no value of a secret key`, () => {
      const shown = hide(text);
      assert.doesNotMatch(shown, /s3|cret/);
      assert.match(shown, /"<not shown>"/);
      assert.equal(shown.includes('username'), text.includes('username'));
    });
  }

  it('the token is told from the secrets of others', () => {
    const basic = Buffer.from(`nix-snapshotter:${TOKEN}`).toString('base64');
    assert.equal(hide(`authorization = "Bearer ${TOKEN}"`), `authorization = "Bearer ${OURS}"`);
    assert.equal(hide(`password: ${TOKEN}\n`), `password: ${OURS}\n`);
    assert.equal(hide(`{"auth":"${basic}"}`), `{"auth":"<base64 of nix-snapshotter:${OURS}>"}`);
    assert.doesNotMatch(hide(`{a: {password: s3cret}, b: {password: ${TOKEN}}}`), /s3cret/);
  });

  it('all else is shown as it is', () => {
    const text = 'version = 3\n[a.auths]\nauthor = "me"\npassword_file = "/p"\n[b.auth]\n';
    assert.equal(hide(text), text);
  });

  it('a large text takes no time', () => {
    const text = `auth:${'\n'.repeat(200_000)}{${'a'.repeat(200_000)}${' auth: "'.repeat(20_000)}`;
    const start = performance.now();
    hide(text);
    assert.ok(performance.now() - start < 5000);
  });
});
