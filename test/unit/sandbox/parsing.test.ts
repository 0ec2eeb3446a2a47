import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { parseLoaderCache } from '../../fixtures/shared-libraries.ts';
import { containerdConfig } from '../../sandbox/containerd-config.ts';
import { parseVersion } from '../../sandbox/containerd.ts';
import { parseVersions } from '../../sandbox/debian-base.ts';
import { parseIndexTargets } from '../../sandbox/debian-mirror.ts';
import { isNewEnough } from '../../sandbox/go-toolchain.ts';

describe('what the test bed reads', () => {
  it('takes the Debian archive, not the security one or another vendor’s', () => {
    const lines = [
      'Docker|Docker CE|stable|https://example.org/docker/',
      'Debian|Debian-Security|main|http://example.org/security/',
      'Debian|Debian|contrib|http://example.org/contrib/',
      'Debian|Debian|main|http://example.org/debian/',
    ];
    assert.equal(parseIndexTargets(lines.join('\n')), 'http://example.org/debian');
    assert.equal(parseIndexTargets(lines.slice(0, 3).join('\n')), undefined);
  });

  it('compares Go versions by number', () => {
    for (const version of ['go1.26.6', 'go1.26.10', 'go1.27', 'go2.0'])
      assert.equal(isNewEnough(version), true, version);
    for (const version of ['go1.26.5', 'go1.26', 'go1.9.9', 'go1.24.4', ''])
      assert.equal(isNewEnough(version), false, version);
  });

  it('reads versions of containerd and of packages', () => {
    assert.equal(
      parseVersion('containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6'),
      '1.7.24',
    );
    assert.equal(parseVersion('containerd github.com/containerd/containerd/v2 v2.4.2 '), '2.4.2');
    assert.deepEqual(parseVersions('runc 1.1.15+ds1-2\n\nnix-bin 2.26.3+dfsg-1\n'), {
      runc: '1.1.15+ds1-2',
      'nix-bin': '2.26.3+dfsg-1',
    });
  });

  it('takes the first library of a name from the loader’s cache', () => {
    const text =
      '2 libs found in cache\n\tlibz.so.1 (libc6,x86-64) => /a/libz.so.1\n\tlibz.so.1 (libc6) => /b/libz.so.1\n';
    assert.deepEqual([...parseLoaderCache(text)], [['libz.so.1', '/a/libz.so.1']]);
  });

  it('writes the proxy snapshotter and diff plugin into containerd’s configuration', () => {
    const proxy = { socket: '/run/s.sock', root: '/var/lib/s', capabilities: ['remap-ids'], diff: true };
    const text = containerdConfig({ formatVersion: 3, platform: 'linux/amd64', cri: false, proxy });
    const config = JSON.parse(JSON.stringify(parse(text))) as Record<string, unknown>;
    assert.deepEqual(config['proxy_plugins'], {
      nix: {
        type: 'snapshot',
        address: '/run/s.sock',
        capabilities: ['remap-ids'],
        exports: { root: '/var/lib/s', enable_remote_snapshot_annotations: 'true' },
      },
      'nix-diff': { type: 'diff', address: '/run/s.sock' },
    });
    assert.deepEqual(config['disabled_plugins'], ['io.containerd.grpc.v1.cri']);
  });
});
