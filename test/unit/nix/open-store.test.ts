import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { type Log, silentLog } from '../../../src/log.ts';
import { type NixBackend, openNixStore } from '../../../src/nix/open-store.ts';
import { answerValidity, FakeDaemon } from './daemon/fake-daemon.ts';

const PATH = `/nix/store/${'a'.repeat(32)}-x` as StorePath;

describe('openNixStore', () => {
  let directory: string;
  /** Says of every path that it is valid. */
  let program: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'open-store-'));
    program = join(directory, 'nix-store');
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
  });
  after(() => rmSync(directory, { recursive: true }));

  function open(backend: NixBackend, path: string) {
    const warnings: unknown[] = [];
    const log = { ...silentLog, warn: (fields: unknown) => void warnings.push(fields) } as Log;
    const store = openNixStore({ backend, store: `unix://${path}`, program }, { log, env: process.env });
    return { store, warnings };
  }

  it('asks a daemon that answers', async () => {
    await using daemon = await FakeDaemon.start((client) => void answerValidity(client, new Set()));
    const { store, warnings } = open('auto', daemon.path);
    await using opened = store;
    assert.equal((await opened.valid([PATH])).size, 0);
    assert.deepEqual([opened.backend, warnings], [{ name: 'daemon', reason: 'default' }, []]);
  });

  it('falls back to nix-store, and says so once', async () => {
    await using daemon = await FakeDaemon.sending(Buffer.alloc(64));
    const { store, warnings } = open('auto', daemon.path);
    await using opened = store;
    for (const _ of [1, 2, 3]) assert.equal((await opened.valid([PATH])).size, 1);
    assert.equal(daemon.clients, 2, 'asked, and asked whether it can be used');
    assert.equal(warnings.length, 1);
    assert.equal(opened.backend.name, 'nix-store');
    assert.match(opened.backend.reason, /^the daemon cannot be used: .*does not greet as a Nix daemon/);
  });

  it('falls back when nobody listens', async () => {
    await using opened = open('auto', join(directory, 'nobody')).store;
    assert.equal((await opened.valid([PATH])).size, 1);
    assert.match(opened.backend.reason, /nobody: .*ENOENT.*start nix-daemon/);
  });

  it('insists on the daemon when told', async () => {
    await using opened = open('daemon', join(directory, 'nobody')).store;
    await assert.rejects(opened.valid([PATH]), { code: 'Unavailable', message: /start nix-daemon/ });
    assert.deepEqual(opened.backend, { name: 'daemon', reason: 'configured' });
  });

  it('leaves the daemon alone when told', async () => {
    await using daemon = await FakeDaemon.sending(Buffer.alloc(0));
    await using opened = open('nix-store', daemon.path).store;
    assert.equal((await opened.valid([PATH])).size, 1);
    assert.equal(daemon.clients, 0);
    assert.deepEqual(opened.backend, { name: 'nix-store', reason: 'configured' });
  });
});
