import assert from 'node:assert/strict';
import { access, constants, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import packageJson from '../../package.json' with { type: 'json' };
import { projectRoot } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { waitFor } from '../sandbox/wait-for.ts';
import { matrix } from './support/matrix.ts';

/** npm without a cache and without a registry. */
function alone(scratch: string): Readonly<Record<string, string>> {
  return { npm_config_cache: join(scratch, 'cache'), npm_config_registry: 'http://127.0.0.1:9/' };
}

const [row] = await matrix(['1.7']);

describe('the npm package', { skip: row?.skip ?? false }, () => {
  it('is installed without any other package, and its programs run', async () => {
    assert.ok(row);
    const scratch = await mkdtemp(join(tmpdir(), 'npm-package-'));
    try {
      const build = ['modules/npm/build.ts', '--out', scratch];
      const { stdout } = await execa(process.execPath, build, { cwd: projectRoot });
      const tarball = resolve(scratch, `nix-snapshotter-${packageJson.version}.tgz`);
      assert.ok(stdout.startsWith(`${tarball}: `), stdout);
      const npm = async (...args: readonly string[]) =>
        (await execa('npm', args, { cwd: scratch, env: alone(scratch) })).stdout;

      const listed = await execa('tar', ['--list', '--file', tarball]);
      assert.doesNotMatch(listed.stdout, /\.ts$|\/test\/|\/src\//m);
      for (const program of Object.keys(packageJson.bin)) {
        const exec = ['exec', '--yes', `--package=${tarball}`, '--', program, '--version'];
        assert.equal(await npm(...exec), packageJson.version);
      }

      await npm('install', '--prefix', join(scratch, 'installed'), tarball);
      const modules = await readdir(join(scratch, 'installed/node_modules'));
      assert.deepEqual(
        modules.filter((name) => !name.startsWith('.')),
        ['nix-snapshotter'],
      );

      const { man } = JSON.parse(
        await readFile(join(scratch, 'installed/node_modules/nix-snapshotter/package.json'), 'utf8'),
      ) as { readonly man: readonly string[] };
      for (const page of man)
        await access(join(scratch, 'installed/node_modules/nix-snapshotter', page), constants.R_OK);
      assert.equal(man.length, 2);

      await using node = await Sandbox.up({ suite: row.suite, name: 'npm' });
      await node.sh('umount /opt/nix-snapshotter');
      await node.copyIn(join(scratch, 'installed'), '/srv/installed');
      const program = '/srv/installed/node_modules/nix-snapshotter/dist/nix-snapshotter.mjs';
      const daemon = node.spawn('npm-daemon', [program]);
      const status = async () => await node.exec([program, 'status'], { reject: false });
      await waitFor(daemon, async () => (await status()).exitCode === 0);
      assert.match((await status()).stdout, /snapshots/);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
});
