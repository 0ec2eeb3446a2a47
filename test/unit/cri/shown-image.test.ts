import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CriImage } from '../../../proto/gen/messages.ts';
import { namesOf } from '../../../src/cri/image-names.ts';
import { shown } from '../../../src/cri/shown-image.ts';
import type { StoreReference } from '../../../src/store-image/image-reference.ts';

const name = `nix:0/${'0'.repeat(32)}-x`;
const [digest, id] = ['a', 'b'].map((letter) => `sha256:${letter.repeat(64)}`) as [string, string];
const wanted = { kind: 'hash', hash: '0'.repeat(32) } as const;
const byTag: StoreReference = { name, tag: '1', wanted };
const byDigest: StoreReference = { name, digest, wanted };

const imageWith = (repo_tags: string[], repo_digests: string[]) =>
  ({ id, repo_tags, repo_digests }) as CriImage;

describe('namesOf', () => {
  it('gives the id first, then what was asked for and the digest', () => {
    assert.deepEqual(namesOf(byTag, digest, id).all, [id, `${name}@${digest}`, `${name}:1`]);
    assert.equal(namesOf(byTag, digest, id).asked, `${name}:1`);
    assert.deepEqual(namesOf(byDigest, digest, id).all, [id, `${name}@${digest}`]);
    assert.equal(namesOf(byDigest, digest, id).asked, `${name}@${digest}`);
  });
});

describe('shown', () => {
  const { signal } = new AbortController();

  it('asks until CRI has all names of the image', async () => {
    const answers = [
      undefined,
      imageWith([], []),
      imageWith([`${name}:1`], []),
      imageWith([], [`${name}@${digest}`]),
      imageWith([`${name}:0`], [`${name}@${digest}`]),
      imageWith([`${name}:0`, `${name}:1`], [`${name}@${digest}`]),
    ];
    let asked = 0;
    const status = async () => answers[asked++];
    const remind = async () => assert.fail('there is no need');
    assert.equal(await shown(namesOf(byTag, digest, id), { status, remind, signal }), id);
    assert.equal(asked, answers.length);
  });

  it('has containerd tell CRI again when it does not show the image', async (t) => {
    let reminded = 0;
    t.mock.method(performance, 'now', () => (clock += 500));
    let clock = 0;
    const status = async () => (reminded === 2 ? imageWith([], [`${name}@${digest}`]) : undefined);
    const remind = async () => void (reminded += 1);
    assert.equal(await shown(namesOf(byDigest, digest, id), { status, remind, signal }), id);
  });

  it('gives up, naming the image', async (t) => {
    t.mock.method(performance, 'now', () => (clock += 5000));
    let clock = 0;
    const deps = { status: async () => undefined, remind: async () => {}, signal };
    await assert.rejects(shown(namesOf(byTag, digest, id), deps), {
      code: 'Unavailable',
      message: new RegExp(`${name}:1 is in containerd, but its CRI plugin has not shown it`),
    });
  });
});
