import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import { loadAccessToken } from '../../../src/resolver/access-token.ts';
import { runSetup } from '../../../src/setup/run.ts';
import { fileTree } from './file-tree.ts';
import { toml } from './toml.ts';

describe('setup for a user', () => {
  const tree = fileTree();
  const { here, put } = tree;

  it('nerdctl of another user than root is set up in that user’s files', async () => {
    const config = here('/daemon.toml');
    await put('/daemon.toml', `root = "${here('/data')}"\n[resolver]\naddress = "127.0.0.1:9999"\n`);
    const options = { targets: ['nerdctl'], print: false, dryRun: false, undo: false, config } as const;
    const deps = { env: { HOME: tree.rootDir }, uid: 1000, write: () => {}, loadToken: loadAccessToken };
    let told = '';
    let said = '';
    const write = (text: string) => (said += text);
    await runSetup(options, { ...deps, write: (text) => (told += text) });
    assert.match(told, /systemctl --user restart nix-snapshotter.service/);
    const hostsDir = here('/.config/containerd/certs.d');
    assert.deepEqual(toml(await readFile(here('/.config/nerdctl/nerdctl.toml'), 'utf8')), {
      snapshotter: 'nix',
      hosts_dir: [hostsDir],
    });
    assert.match(await readFile(`${hostsDir}/nix_0_/hosts.toml`, 'utf8'), /127\.0\.0\.1:9999/);
    await runSetup({ ...options, undo: true }, deps);
    assert.equal(existsSync(here('/.config')), false);
    await runSetup({ ...options, print: true, config: relative(process.cwd(), config) }, { ...deps, write });
    assert.match(said, /127\.0\.0\.1:9999/);
    for (const unset of ['', 'relative']) {
      await runSetup(options, { ...deps, env: { ...deps.env, XDG_CONFIG_HOME: unset } });
      assert.ok(existsSync(here('/.config/nerdctl/nerdctl.toml')), unset);
      await runSetup({ ...options, undo: true }, deps);
    }
  });

  it('a user’s daemon whose file names no root has the user’s own', async () => {
    await put('/daemon.toml', '[resolver]\naddress = "127.0.0.1:9999"\n');
    const options = { targets: ['hosts'], print: false, dryRun: false, undo: false } as const;
    const deps = { env: { HOME: tree.rootDir }, uid: 1000, write: () => {}, loadToken: loadAccessToken };
    await runSetup({ ...options, config: here('/daemon.toml') }, deps);
    const token = await readFile(here('/.local/share/nix-snapshotter/resolver-token'), 'utf8');
    const hosts = await readFile(here('/.config/containerd/certs.d/nix_0_/hosts.toml'), 'utf8');
    assert.ok(hosts.includes(`Bearer ${token.trim()}`));
  });

  it('another user than the daemon’s is told so, and may see what would be written', async () => {
    const config = here('/daemon.toml');
    await put('/daemon.toml', `root = "${here('/closed/data')}"\n`);
    await mkdir(here('/closed'), { mode: 0o000 });
    await chmod(tree.rootDir, 0o755);
    const runs = [{}, { dryRun: true }, { undo: true }, { print: true }];
    const script = `
      const { runSetup } = await import(${JSON.stringify(new URL('../../../src/setup/run.ts', import.meta.url))});
      if (process.getuid() === 0) process.setuid(65534);
      for (const more of ${JSON.stringify(runs)}) {
        const options = { targets: ['nerdctl'], print: false, dryRun: false, undo: false, config: ${JSON.stringify(config)}, ...more };
        let said = '';
        const deps = { env: { HOME: ${JSON.stringify(tree.rootDir)} }, uid: 65534, write: (text) => (said += text), loadToken: undefined };
        const error = await runSetup(options, deps).catch((thrown) => thrown);
        console.log(JSON.stringify({ said, code: error?.code, message: error?.message }));
      }`;
    const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script]);
    await chmod(here('/closed'), 0o700);
    const results = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, string>);
    assert.equal(results.length, runs.length);
    const printed = results.pop();
    for (const { code, message } of results) {
      assert.equal(code, 'PermissionDenied', message);
      assert.match(
        message ?? '',
        /^root .*\/closed\/data of the daemon .*; run setup as that user, give --config/,
      );
    }
    assert.match(printed?.['said'] ?? '', /nerdctl\.toml, mode 0644\n/, printed?.['message'] ?? '');
  });
});
