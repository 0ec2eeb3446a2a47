import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Layout } from '../../../src/snapshot/layout.ts';
import { fitsOnePage, rootMount } from '../../../src/snapshot/root-mounts.ts';

const layout = new Layout('/r');
const features = { overlayOptions: ['index=off'], remapIds: true };
const active = { id: 9, kind: 'active' as const, labels: new Map<string, string>() };
const view = { ...active, kind: 'view' as const };
const mapping = new Map([
  ['containerd.io/snapshot/gidmapping', '0:2:1'],
  ['containerd.io/snapshot/uidmapping', '0:1:1'],
]);

const chain = (lowers: readonly string[]) => ({ lowers, mapped: false });

describe('rootMount', () => {
  it('binds an active snapshot without parents', () => {
    assert.deepEqual(rootMount(active, chain([]), layout, features), {
      type: 'bind',
      source: '/r/snapshots/9/fs',
      target: '',
      options: ['rw', 'rbind'],
    });
  });
  it('binds a view without parents read-only', () => {
    assert.deepEqual(rootMount(view, chain([]), layout, features).options, ['ro', 'rbind']);
  });
  it('binds the only parent of a view', () => {
    assert.deepEqual(rootMount(view, chain([layout.fs(7)]), layout, features), {
      type: 'bind',
      source: '/r/snapshots/7/fs',
      target: '',
      options: ['ro', 'rbind'],
    });
  });
  it('overlays parents, the immediate one first', () => {
    assert.deepEqual(rootMount(active, chain([layout.fs(7), layout.fs(3)]), layout, features), {
      type: 'overlay',
      source: 'overlay',
      target: '',
      options: [
        'workdir=/r/snapshots/9/work',
        'upperdir=/r/snapshots/9/fs',
        'lowerdir=/r/snapshots/7/fs:/r/snapshots/3/fs',
        'index=off',
      ],
    });
  });
  it('overlays a view of two parents without an upper', () => {
    assert.deepEqual(rootMount(view, chain([layout.fs(7), layout.fs(3)]), layout, features).options, [
      'lowerdir=/r/snapshots/7/fs:/r/snapshots/3/fs',
      'index=off',
    ]);
  });
  it('puts mappings first, uid before gid', () => {
    const mapped = rootMount({ ...active, labels: mapping }, chain([layout.fs(7)]), layout, features);
    assert.deepEqual(mapped.options.slice(0, 2), ['uidmap=0:1:1', 'gidmap=0:2:1']);
    assert.deepEqual(rootMount({ ...active, labels: mapping }, chain([]), layout, features).options, [
      'uidmap=0:1:1',
      'gidmap=0:2:1',
      'rw',
      'rbind',
    ]);
  });
  it('leaves mappings out where the kernel cannot', () => {
    const options = rootMount({ ...active, labels: mapping }, chain([]), layout, {
      ...features,
      remapIds: false,
    }).options;
    assert.deepEqual(options, ['rw', 'rbind']);
  });
  it('leaves mappings out where the lower directories have them', () => {
    const lowers = { lowers: ['/r/mapped/m/root/snapshots/7/fs'], mapped: true };
    const { options } = rootMount({ ...active, labels: mapping }, lowers, layout, features);
    assert.deepEqual(options, [
      'workdir=/r/snapshots/9/work',
      'upperdir=/r/snapshots/9/fs',
      'lowerdir=/r/mapped/m/root/snapshots/7/fs',
      'index=off',
    ]);
  });
  it('puts the own mount points of a view on top', () => {
    const own = { ...view, ownMountPoints: true };
    assert.deepEqual(rootMount(own, chain([layout.fs(7)]), layout, features).options, [
      'lowerdir=/r/snapshots/9/fs:/r/snapshots/7/fs',
      'index=off',
    ]);
  });
});

describe('fitsOnePage', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => layout.fs(10_000 + index));
  it('counts what is left when containerd has cut the common parent off', () => {
    assert.ok(fitsOnePage(many(185)));
    const long = new Layout(`/${'long/'.repeat(40)}`);
    assert.ok(fitsOnePage([long.fs(1), long.fs(2), long.views]));
  });
  it('counts all where a view lies in another tree', () => {
    assert.ok(fitsOnePage(['/var/lib/views/k/view/root', ...many(90)]));
    assert.ok(!fitsOnePage(['/var/lib/views/k/view/root', ...many(185)]));
  });
  it('is false for what the kernel would cut', () => {
    assert.ok(!fitsOnePage(many(400)));
  });
});
