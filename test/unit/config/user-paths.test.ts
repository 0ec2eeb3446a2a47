import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { userPaths } from '../../../src/config/user-paths.ts';

describe('userPaths', () => {
  it('follows the XDG base directory specification', () => {
    const env = { HOME: '/h', XDG_RUNTIME_DIR: '/r', XDG_CONFIG_HOME: '/c', XDG_DATA_HOME: '/d' };
    assert.deepEqual(userPaths(env, 7), {
      config: '/c/nix-snapshotter/config.toml',
      address: '/r/nix-snapshotter/nix-snapshotter.sock',
      root: '/d/nix-snapshotter',
    });
  });
  it('takes the usual places for what is not absolute', () => {
    assert.deepEqual(userPaths({ HOME: '/h', XDG_RUNTIME_DIR: '', XDG_CONFIG_HOME: 'c' }, 7), {
      config: '/h/.config/nix-snapshotter/config.toml',
      address: '/run/user/7/nix-snapshotter/nix-snapshotter.sock',
      root: '/h/.local/share/nix-snapshotter',
    });
  });
});
