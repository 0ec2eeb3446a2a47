import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { daemonEndpoint, type DaemonEndpoint } from '../../../../src/nix/daemon/endpoint.ts';

const USUAL = '/nix/var/nix/daemon-socket/socket';
const socket = (path: string, orStdio: boolean): DaemonEndpoint => ({ kind: 'socket', path, orStdio });

describe('daemonEndpoint', () => {
  const cases: readonly [uri: string, env: NodeJS.ProcessEnv, endpoint: DaemonEndpoint][] = [
    ['auto', {}, socket(USUAL, true)],
    ['', {}, socket(USUAL, true)],
    ['auto', { NIX_DAEMON_SOCKET_PATH: '/run/s' }, socket('/run/s', true)],
    ['auto', { NIX_STATE_DIR: '/s' }, socket('/s/daemon-socket/socket', true)],
    ['daemon', {}, socket(USUAL, false)],
    ['unix://', {}, socket(USUAL, false)],
    ['unix:///run/other?root=/x', {}, socket('/run/other', false)],
    ['local', {}, { kind: 'stdio' }],
    ['local?root=/x', { NIX_DAEMON_SOCKET_PATH: '/run/s' }, { kind: 'stdio' }],
    ['auto?root=/x', {}, { kind: 'stdio' }],
    ['/x', {}, { kind: 'stdio' }],
  ];
  for (const [uri, env, endpoint] of cases) {
    it(`of ${JSON.stringify(uri)} with ${JSON.stringify(env)}`, () => {
      assert.deepEqual(daemonEndpoint(uri, env), endpoint);
    });
  }
});
