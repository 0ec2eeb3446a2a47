import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalReference, spellings } from '../../../src/policy/image-name.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('what rules call images', () => {
  for (const [written, canonical] of [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['Docker.io/library/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox:1', 'docker.io/library/busybox:1'],
    ['registry-1.docker.io:443/library/busybox:1', 'docker.io/library/busybox:1'],
    ['Registry.Corp/team/app', 'registry.corp/team/app:latest'],
    ['registry.corp:443/team/app:v1', 'registry.corp/team/app:v1'],
    ['registry.corp:0443/team/app:v1', 'registry.corp/team/app:v1'],
    ['registry.corp:5000/team/app:v1', 'registry.corp:5000/team/app:v1'],
    [`registry.corp/team/app:v1@${DIGEST}`, `registry.corp/team/app:v1@${DIGEST}`],
    ['not a reference', 'not a reference'],
    ['', ''],
  ] as const) {
    it(`${JSON.stringify(written)} is ${JSON.stringify(canonical)}`, () => {
      assert.equal(canonicalReference(written), canonical);
      assert.equal(canonicalReference(canonical), canonical);
    });
  }

  it('can be matched with tag and digest, and without', () => {
    assert.deepEqual(spellings(`registry.corp:5000/app:v1@${DIGEST}`), [
      `registry.corp:5000/app:v1@${DIGEST}`,
      'registry.corp:5000/app:v1',
      'registry.corp:5000/app',
    ]);
    assert.deepEqual(spellings('registry.corp:5000/app'), ['registry.corp:5000/app']);
    assert.deepEqual(spellings('nix:0/nix/store/x'), ['nix:0/nix/store/x']);
  });
});
