import { deepEqual, equal } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { effectiveConfig } from '../../../src/containerd/effective-config.ts';

describe('what containerd makes of its configuration', () => {
  it('of 1.7', () => {
    const read = effectiveConfig(
      parse(`version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "nix"
discard_unpacked_layers = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
snapshotter = "blockfile"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/a:/b"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
snapshotter = "nix"
[proxy_plugins.nix]
type = "snapshot"
address = "/s"
[proxy_plugins.nix.exports]
root = "/root"
`),
    );
    deepEqual(read, {
      proxies: [{ name: 'nix', type: 'snapshot', address: '/s', capabilities: [], root: '/root' }],
      cri: {
        snapshotter: 'nix',
        runtimes: [{ name: 'kata', snapshotter: 'blockfile' }],
        hostsDirs: ['/a', '/b'],
        discardsLayers: true,
      },
      unpacksFor: ['nix'],
    });
  });

  it('of 2.x', () => {
    const { cri } = effectiveConfig(
      parse(`version = 3
[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = ""
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nix]
snapshotter = "nix"
`),
    );
    deepEqual(cri, {
      snapshotter: 'overlayfs',
      runtimes: [{ name: 'nix', snapshotter: 'nix' }],
      hostsDirs: [],
      discardsLayers: false,
    });
  });

  it('of one that says something else than it should', () => {
    const read = effectiveConfig(
      parse('disabled_plugins = ["cri"]\nplugins = []\n[proxy_plugins]\nnix = 7\n'),
    );
    equal(read.cri, undefined);
    deepEqual(read.proxies, [{ name: 'nix', type: '', address: '', capabilities: [], root: undefined }]);
  });
});
