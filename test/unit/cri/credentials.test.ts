import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CriAuthConfig } from '../../../proto/gen/messages.ts';
import { credentialsOf } from '../../../src/cri/credentials.ts';

const NONE: CriAuthConfig = {
  username: '',
  password: '',
  auth: '',
  server_address: '',
  identity_token: '',
  registry_token: '',
};
const REGISTRY = 'registry.example:5000';
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('credentialsOf', () => {
  const user = { kind: 'basic', username: 'u', password: 'p:w' };
  for (const [what, auth, expected] of [
    ['nothing', {}, undefined],
    ['a name and a password', { username: 'u', password: 'p:w' }, user],
    ['both in one text', { auth: base64('u:p:w') }, user],
    ['a text padded with zeros', { auth: base64('u:p:w\0\0') }, user],
    ['a text without a colon', { auth: base64('u') }, undefined],
    ['an identity token', { identity_token: 'T' }, { kind: 'identity', token: 'T' }],
    [
      'this server, as a URL',
      { username: 'u', password: 'p:w', server_address: `https://${REGISTRY}/v1/` },
      user,
    ],
    ['this server, as a host', { username: 'u', password: 'p:w', server_address: REGISTRY }, user],
    [
      'another server',
      { username: 'u', password: 'p:w', server_address: 'https://registry.example/' },
      undefined,
    ],
    ['a server that only begins alike', { username: 'u', server_address: `${REGISTRY}0` }, undefined],
  ] as const) {
    it(`takes ${what}`, () => {
      assert.deepEqual(credentialsOf({ ...NONE, ...auth }, REGISTRY), expected);
    });
  }

  it('takes any of the names of Docker Hub', () => {
    const auth = { ...NONE, username: 'u', password: 'p:w', server_address: 'https://index.docker.io/v1/' };
    assert.deepEqual(credentialsOf(auth, 'docker.io'), user);
    assert.equal(credentialsOf(auth, REGISTRY), undefined);
    assert.equal(credentialsOf(null, 'docker.io'), undefined);
  });
});
