import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileTree, MAIN, OWN_MAIN, ROOT } from './file-tree.ts';

describe('setup where links are', () => {
  const tree = fileTree();
  const { here, put, setup } = tree;

  it('a link to another file stays a link', async () => {
    await put('/data/config.toml', OWN_MAIN);
    await mkdir(here('/etc/containerd'), { recursive: true });
    await symlink(here('/data/config.toml'), here(MAIN));
    await setup(['containerd']);
    assert.match(await readFile(here('/data/config.toml'), 'utf8'), /imports/);
    await setup(['containerd'], { undo: true });
    assert.equal(await readFile(here(MAIN), 'utf8'), OWN_MAIN);
  });

  describe('a link that leads out of the tree', () => {
    let host: string;
    beforeEach(async () => {
      host = await mkdtemp(join(tmpdir(), 'host-'));
    });
    afterEach(async () => await rm(host, { recursive: true }));

    for (const [what, path] of [
      ['a directory', '/etc/containerd'],
      ['the daemon’s root', ROOT],
      ['the directory of a configuration that is not there yet', '/etc/nix-snapshotter'],
      ['a file', MAIN],
    ] as const) {
      it(`${what}: is told with the path, and the host’s own files stay`, async () => {
        const target = path === MAIN ? join(host, 'config.toml') : host;
        await writeFile(join(host, 'config.toml'), OWN_MAIN);
        await mkdir(dirname(here(path)), { recursive: true });
        await symlink(target, here(path));
        for (const undo of [false, true]) {
          const run = setup(['containerd'], { undo });
          // Undo that finds no record has nothing to look at.
          if (undo && path !== ROOT && path !== '/etc/nix-snapshotter') await run;
          else {
            await assert.rejects(run, ({ code, message }: { code: string; message: string }) => {
              assert.equal(code, 'FailedPrecondition');
              return (
                message.includes(`is a link to ${target}, out of ${tree.rootDir};`) && message.includes(path)
              );
            });
          }
        }
        assert.deepEqual(await readdir(host), ['config.toml']);
        assert.equal(await readFile(join(host, 'config.toml'), 'utf8'), OWN_MAIN);
      });
    }

    it('undo follows none that came after setup', async () => {
      await setup(['containerd']);
      await rename(here('/etc/containerd'), join(host, 'containerd'));
      await symlink(join(host, 'containerd'), here('/etc/containerd'));
      await assert.rejects(setup(['containerd'], { undo: true }), { message: /out of/ });
      assert.ok(existsSync(join(host, 'containerd/conf.d/90-nix-snapshotter.toml')));
    });
  });
});
