import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { platformOfElf } from '../../../src/image/elf.ts';
import { imageName, repositoryName } from '../../../src/image/image-name.ts';
import {
  formatPlatform,
  parsePlatform,
  platform,
  platformFit,
  platformOfNixSystem,
} from '../../../src/image/platform.ts';
import { formatReference, parseReference } from '../../../src/image/reference.ts';
import { parseChallenge } from '../../../src/image/registry-challenge.ts';
import { elf } from './fixture.ts';

describe('image references', () => {
  for (const [text, full] of [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['foo/bar:1', 'docker.io/foo/bar:1'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/a/b:T.1', 'localhost:5000/a/b:T.1'],
    ['127.0.0.1:5000/a', '127.0.0.1:5000/a:latest'],
    ['ghcr.io/a/b@sha256:' + 'a'.repeat(64), 'ghcr.io/a/b@sha256:' + 'a'.repeat(64)],
    ['[::1]:80/a', '[::1]:80/a:latest'],
  ] as const) {
    it(`${text} is ${full}`, () => assert.equal(formatReference(parseReference(text)), full));
  }

  for (const text of [
    '',
    'Foo',
    'a/B',
    'a:',
    'a:b c',
    'a//b',
    'a@sha256:12',
    '../x',
    'x/../y',
    'a\nb',
    'http://x/y',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseReference(text), { code: 'InvalidArgument' }));
  }

  it('every name made of text is legal, and parsing is stable', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const full = formatReference(parseReference(`localhost/${repositoryName(text)}`));
        assert.equal(formatReference(parseReference(full)), full);
      }),
    );
  });

  it('names an image after its file, or by its place in the store as the Go tool did', () => {
    assert.equal(imageName(undefined, 'out/My_App.oci.tar.gz'), 'localhost/my-app:latest');
    assert.equal(
      imageName(undefined, '/nix/store/h-nix-image-x.tar'),
      'nix:0/nix/store/h-nix-image-x.tar:latest',
    );
    assert.equal(imageName('nix:0/nix/store/h-X.tar', 'x'), 'nix:0/nix/store/h-X.tar');
    assert.equal(imageName('redis', 'x'), 'docker.io/library/redis:latest');
  });
});

describe('platforms', () => {
  it('of text, of Nix systems, of programs', () => {
    assert.equal(formatPlatform(parsePlatform('Linux/aarch64/v8')), 'linux/arm64');
    assert.equal(formatPlatform(parsePlatform('linux/arm/v6')), 'linux/arm/v6');
    assert.throws(() => parsePlatform('linux'), { code: 'InvalidArgument' });
    assert.throws(() => parsePlatform('a/b/c/d'), { code: 'InvalidArgument' });
    assert.deepEqual(platformOfNixSystem('x86_64-linux'), { os: 'linux', architecture: 'amd64' });
    assert.deepEqual(platformOfNixSystem('armv7l-linux'), {
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
    });
    assert.equal(platformOfNixSystem('nonsense'), undefined);
    assert.equal(platformOfElf(elf(62))?.architecture, 'amd64');
    assert.equal(platformOfElf(elf(183))?.architecture, 'arm64');
    assert.equal(platformOfElf(Buffer.from('#!/bin/sh')), undefined);
  });

  it('fit as in containerd', () => {
    const arm = (variant?: string) => platform('linux', 'arm', variant);
    assert.ok(platformFit(arm('v7'), arm('v7')) > platformFit(arm('v7'), arm('v6')));
    assert.ok(platformFit(arm('v7'), arm('v6')) > 0);
    assert.equal(platformFit(arm('v6'), arm('v7')), 0);
    assert.equal(platformFit(platform('linux', 'amd64'), platform('linux', 'arm64')), 0);
    assert.equal(platformFit(platform('linux', 'amd64'), platform('windows', 'amd64')), 0);
  });
});

describe('registry challenges', () => {
  it('are read as RFC 9110 writes them', () => {
    const bearer = parseChallenge('Bearer realm="https://a/t",service="s, t",scope="repository:x:pull,push"');
    assert.equal(bearer?.scheme, 'bearer');
    assert.deepEqual(
      [...(bearer?.parameters ?? [])],
      [
        ['realm', 'https://a/t'],
        ['service', 's, t'],
        ['scope', 'repository:x:pull,push'],
      ],
    );
    assert.equal(parseChallenge('Basic realm="r"')?.scheme, 'basic');
    assert.equal(parseChallenge('Negotiate'), undefined);
    assert.equal(parseChallenge(null), undefined);
  });
});
