import assert from 'node:assert/strict';
import { it } from 'node:test';
import { environment } from '../../../src/nix/nix-options.ts';

it('a process of Nix has the daemon’s environment, in English, and cannot speak to systemd for it', () => {
  const env = {
    PATH: '/bin',
    NIX_CONFIG: 'cores = 1',
    NIX_REMOTE: 'ssh://elsewhere',
    NOTIFY_SOCKET: '/run/systemd/notify',
    LANGUAGE: 'de',
    LC_MESSAGES: 'de_DE.UTF-8',
    UNSET: undefined,
  };
  assert.deepEqual(environment(env), { PATH: '/bin', NIX_CONFIG: 'cores = 1', LC_ALL: 'C' });
});
