import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentTags } from '../../../src/resolver/recent-tags.ts';

describe('recent tags', () => {
  it('knows the tag of each digest of an image, in its own repository only', () => {
    const tags = new RecentTags();
    tags.remember('flake/x', 'hello', ['a', 'b']);
    tags.remember('flake/x', 'redis', ['c']);
    tags.remember('flake/y', 'other', ['c']);
    assert.equal(tags.tagOf('flake/x', 'b'), 'hello');
    assert.equal(tags.tagOf('flake/x', 'c'), 'redis');
    assert.equal(tags.tagOf('flake/y', 'c'), 'other');
    assert.equal(tags.tagOf('flake/y', 'a'), undefined);
  });

  it('forgets the oldest', () => {
    const tags = new RecentTags();
    for (let image = 0; image < 257; image += 1) tags.remember('r', `t${image}`, [`d${image}`]);
    assert.equal(tags.tagOf('r', 'd0'), undefined);
    assert.equal(tags.tagOf('r', 'd1'), 't1');
    tags.remember('r', 't1', ['d1']);
    tags.remember('r', 'new', ['new']);
    assert.equal(tags.tagOf('r', 'd1'), 't1');
    assert.equal(tags.tagOf('r', 'd2'), undefined);
  });
});
