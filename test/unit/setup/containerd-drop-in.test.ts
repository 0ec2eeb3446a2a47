import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TomlTable } from 'smol-toml';
import { containerdDropIn } from '../../../src/setup/containerd-drop-in.ts';
import { toml } from './toml.ts';

const SOCKET = '/run/nix-snapshotter/nix-snapshotter.sock';
const MAIN = '/etc/containerd/config.toml';
const CRI_1 = 'io.containerd.grpc.v1.cri';
const CRI_2 = 'io.containerd.cri.v1.images';
const TRANSFER = 'io.containerd.transfer.v1.local';

function dropIn(release: string, ...texts: readonly string[]) {
  const files = texts.map((text, at) => ({
    path: at === 0 ? MAIN : `/etc/containerd/conf.d/${at}.toml`,
    text,
  }));
  return containerdDropIn({ release, files, platform: 'linux/amd64', socket: SOCKET, root: '/root' });
}

function tables(result: { readonly text: string }): {
  plugins: Record<string, TomlTable>;
  version: number;
  proxy: TomlTable;
} {
  const table = toml(result.text) as never as { plugins: Record<string, TomlTable>; version: number };
  return { ...table, proxy: (toml(result.text)['proxy_plugins'] as TomlTable)['nix'] as TomlTable };
}

const NIX = { platform: 'linux/amd64', snapshotter: 'nix', differ: 'walking' };
const OVERLAYFS = { ...NIX, snapshotter: 'overlayfs' };

describe('what containerd is told', () => {
  it('1.7 without a file: version 2, both snapshotters, no capability that it does not know', () => {
    const { version, plugins, proxy } = tables(dropIn('1.7.24'));
    assert.equal(version, 2);
    assert.deepEqual(plugins[CRI_1], {
      containerd: { snapshotter: 'nix' },
      registry: { config_path: '/etc/containerd/certs.d:/etc/docker/certs.d' },
    });
    assert.deepEqual(plugins[TRANSFER], { unpack_config: [OVERLAYFS, NIX] });
    assert.deepEqual(proxy, { type: 'snapshot', address: SOCKET, exports: { root: '/root' } });
  });

  it('2.x without a file: version 3; from 2.3 on its erofs stays', () => {
    const { version, plugins, proxy } = tables(dropIn('2.3.7'));
    assert.equal(version, 3);
    assert.equal(plugins[CRI_2]?.['snapshotter'], 'nix');
    const erofs = { platform: 'linux(+erofs)/amd64', snapshotter: 'erofs', differ: 'erofs', optional: true };
    assert.deepEqual(plugins[TRANSFER], { unpack_config: [OVERLAYFS, erofs, NIX] });
    assert.deepEqual(proxy['capabilities'], ['remap-ids']);
    assert.deepEqual(tables(dropIn('2.2.9')).plugins[TRANSFER], { unpack_config: [OVERLAYFS, NIX] });
  });

  it('1.7 takes a plugin from one file: the last file that has it is repeated', () => {
    const first = `version = 2\n[plugins."${CRI_1}"]\nsandbox_image = "a"\n[plugins."${CRI_1}".cni]\nbin_dir = "/a"\n`;
    const second = `version = 2\n[plugins."${CRI_1}"]\nsandbox_image = "b"\n[plugins."${TRANSFER}"]\nmax_concurrent_downloads = 9\n`;
    const { plugins } = tables(dropIn('1.7.24', first, second));
    assert.equal(plugins[CRI_1]?.['sandbox_image'], 'b');
    assert.equal(plugins[CRI_1]?.['cni'], undefined);
    assert.equal(plugins[TRANSFER]?.['max_concurrent_downloads'], 9);
  });

  it('2.x merges: only what is ours is said, but lists in full', () => {
    const main = `version = 3\n[plugins.'${CRI_2}']\nmax_concurrent_downloads = 7\n[[plugins.'${TRANSFER}'.unpack_config]]\nplatform = "linux/arm64"\nsnapshotter = "erofs"\n`;
    const { plugins } = tables(dropIn('2.4.2', main));
    assert.equal(plugins[CRI_2]?.['max_concurrent_downloads'], undefined);
    assert.deepEqual(plugins[TRANSFER], {
      unpack_config: [{ platform: 'linux/arm64', snapshotter: 'erofs' }, NIX],
    });
  });

  it('2.1 and 2.2 with a version 2 file get one, whose snapshotter they keep only beside a runtime', () => {
    const main = `version = 2\n[plugins."${CRI_1}".cni]\nbin_dir = "/a"\n`;
    const { version, plugins } = tables(dropIn('2.1.9', main));
    assert.equal(version, 2);
    const runtimes = { runc: { runtime_type: 'io.containerd.runc.v2' } };
    assert.deepEqual(plugins[CRI_1]?.['containerd'], { snapshotter: 'nix', runtimes });
    const own = `${main}[plugins."${CRI_1}".containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n`;
    assert.deepEqual(tables(dropIn('2.1.9', own)).plugins[CRI_1]?.['containerd'], { snapshotter: 'nix' });
    for (const other of ['version = 4\n', main]) assert.equal(tables(dropIn('2.3.7', other)).version, 3);
  });

  it('a directory of hosts.toml files that somebody chose is used', () => {
    const main = `version = 3\n[plugins.'${CRI_2}'.registry]\nconfig_path = "/mine/certs.d:/other"\n`;
    const result = dropIn('2.3.7', main);
    assert.equal(result.hostsDir, '/mine/certs.d');
    assert.deepEqual(tables(result).plugins[CRI_2]?.['registry'], { config_path: '/mine/certs.d:/other' });
  });

  it('the default snapshotter, spelled out, is overridden and told; so is CRI that is switched off', () => {
    const main = `version = 3\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[plugins.'${CRI_2}']\nsnapshotter = "overlayfs"\n`;
    const { overrides, criDisabled } = dropIn('2.3.7', main);
    assert.match(overrides.join(), /overlayfs.*\/etc\/containerd\/config\.toml/);
    assert.equal(criDisabled, true);
  });
});

describe('what somebody chose on purpose is refused, with file, key and next step', () => {
  for (const [what, release, main, told] of [
    [
      'another snapshotter of pods',
      '2.3.7',
      `version = 3\n[plugins.'${CRI_2}']\nsnapshotter = "stargz"\n`,
      /config\.toml: plugins\.'io\.containerd\.cri\.v1\.images'\.snapshotter is "stargz"/,
    ],
    [
      'another snapshotter called nix',
      '1.7.24',
      'version = 2\n[proxy_plugins.nix]\ntype = "snapshot"\naddress = "/other.sock"\n',
      /config\.toml: proxy_plugins\.nix has the address "\/other\.sock"/,
    ],
    [
      'mirrors, which cannot stand beside config_path',
      '1.7.24',
      `version = 2\n[plugins."${CRI_1}".registry.mirrors."docker.io"]\nendpoint = ["http://m"]\n`,
      /config\.toml: plugins\.'io\.containerd\.grpc\.v1\.cri'\.registry\.mirrors cannot stand/,
    ],
    [
      'TLS of a registry, which cannot either',
      '2.1.9',
      `version = 3\n[plugins.'${CRI_2}'.registry.configs."r".tls]\nca_file = "/c"\n`,
      /registry\.configs cannot stand/,
    ],
    [
      'a file of version 1 on 1.7',
      '1.7.24',
      'disabled_plugins = ["cri"]\n',
      /write "version = 2" as its first line/,
    ],
    ['a version from the future', '2.3.7', 'version = 9\n', /its version is not one that setup knows/],
  ] as const) {
    it(what, () => {
      assert.throws(() => dropIn(release, main), { code: 'FailedPrecondition', message: told });
    });
  }

  it('what has another type than it should is containerd’s to refuse', () => {
    for (const text of [
      'plugins = 1',
      `plugins."${CRI_1}" = 1`,
      `plugins."${TRANSFER}".unpack_config = [1]`,
    ]) {
      assert.doesNotThrow(() => dropIn('1.7.24', `version = 2\n${text}\n`), text);
    }
    const configs = `version = 2\nplugins."${CRI_1}".registry.configs = "tls"\n`;
    assert.doesNotThrow(() => dropIn('2.3.7', configs));
    const proxy = 'version = 2\nproxy_plugins.nix = 1\n';
    assert.throws(() => dropIn('2.3.7', proxy), { code: 'FailedPrecondition' });
  });

  it('credentials of a registry may stay', () => {
    const main = `version = 2\n[plugins."${CRI_1}".registry.configs."r".auth]\nusername = "u"\n`;
    assert.doesNotThrow(() => dropIn('1.7.24', main));
  });
});
