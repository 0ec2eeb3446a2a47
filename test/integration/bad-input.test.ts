import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  CLOSURE_ANNOTATION,
  LEGACY_LAYER_ANNOTATION,
  LEGACY_PATH_PREFIX,
} from '../../src/closure/annotations.ts';
import { SNAPSHOT_REF_LABEL } from '../../src/snapshot/labels.ts';
import { snapshots } from '../../src/rpc/proto.ts';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { DaemonRig, refused } from './bad-input/daemon-rig.ts';

const HASH = 'a'.repeat(32);
const GOOD = `/nix/store/${HASH}-name`;

/** Values of a label that are no store path, by what is wrong with them. */
const NO_STORE_PATHS: Readonly<Record<string, string>> = {
  'a host directory': '/etc',
  'the root': '/',
  'the parent directory': '..',
  'a way out': `/nix/store/../../etc`,
  'a way out behind a store path': `${GOOD}/../../../etc`,
  'the store itself': '/nix/store',
  'the store with a slash': '/nix/store/',
  'a trailing slash': `${GOOD}/`,
  'a sub-path': `${GOOD}/bin`,
  'a doubled slash': `/nix/store//${HASH}-name`,
  'another store': `/gnu/store/${HASH}-name`,
  'no slash at its start': `nix/store/${HASH}-name`,
  'a hash that is too short': `/nix/store/${HASH.slice(1)}-name`,
  'a letter that is not in the alphabet': `/nix/store/e${HASH.slice(1)}-name`,
  'an upper-case hash': `/nix/store/${HASH.toUpperCase()}-name`,
  'a look-alike hyphen': `/nix/store/${HASH}\u2010name`,
  'a Cyrillic a in the hash': `/nix/store/\u0430${HASH.slice(1)}-name`,
  'a full-width slash': `/nix/store\uFF0F${HASH}-name`,
  'a NUL': `${GOOD}\0`,
  'a NUL before more': `${GOOD}\0/etc`,
  'a newline': `${GOOD}\n`,
  'a second line': `${GOOD}\n/etc`,
  'a space': `${GOOD} `,
  'a colon, which would end a lower directory': `${GOOD}:/etc`,
  'a comma, which would end a mount option': `${GOOD},upperdir=/etc`,
  'no name': `/nix/store/${HASH}-`,
  'dots for a name': `/nix/store/${HASH}-..`,
  'a name that is too long': `/nix/store/${HASH}-${'n'.repeat(212)}`,
  'an option of nix-store': '--option',
  'a lone surrogate': `${GOOD}\uFFFD`,
  'a mebibyte of text': 'x'.repeat(1024 * 1024),
};

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));

describe('untrusted input on the socket', { skip }, () => {
  let rig: DaemonRig;
  before(async () => {
    rig = await DaemonRig.up();
  });
  after(() => rig.down());
  afterEach(async () => {
    for (const key of await rig.keys()) await rig.snapshots.Remove({ key });
    await rig.snapshots.Cleanup({});
    await rig.assertEmpty();
  });

  for (const [what, value] of Object.entries(NO_STORE_PATHS)) {
    it(`refuses a label that names ${what}`, async () => {
      const named: readonly [string, Record<string, string>][] = [
        [CLOSURE_ANNOTATION, { [CLOSURE_ANNOTATION]: value }],
        [
          `${LEGACY_PATH_PREFIX}2`,
          {
            [LEGACY_LAYER_ANNOTATION]: 'true',
            [`${LEGACY_PATH_PREFIX}1`]: GOOD,
            [`${LEGACY_PATH_PREFIX}2`]: value,
          },
        ],
      ];
      for (const [label, labels] of named) {
        const request = { key: 'k', labels: { ...labels, [SNAPSHOT_REF_LABEL]: 'ref' } };
        await refused(rig.snapshots.Prepare(request), 'InvalidArgument', label, 'is not a store path');
        await rig.assertEmpty();
        await rig.snapshots.Prepare({ key: 'plain' });
        const commit = rig.snapshots.Commit({ key: 'plain', name: 'c', labels });
        await refused(commit, 'InvalidArgument', label);
        assert.deepEqual(await rig.keys(), ['plain']);
        await rig.snapshots.Remove({ key: 'plain' });
        await rig.snapshots.Cleanup({});
      }
    });
  }

  it('takes 100,000 labels of an ordinary snapshot, as containerd does', async () => {
    const labels = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`label-${index}`, 'x']));
    await rig.snapshots.Prepare({ key: 'many', labels });
    const { info } = await rig.snapshots.Stat({ key: 'many' });
    assert.equal(Object.keys(info?.labels ?? {}).length, 100_000);
    await rig.snapshots.Update({ info: { name: 'many', labels: { only: 'one' } } });
    assert.deepEqual((await rig.snapshots.Stat({ key: 'many' })).info?.labels, { only: 'one' });
  });

  it('refuses 100,000 store paths in labels at once', async () => {
    const paths = Array.from({ length: 100_000 }, (_, index) => {
      const hash = String(index).padStart(32, '0');
      return [`${LEGACY_PATH_PREFIX}${index}`, `/nix/store/${hash}-n`] as const;
    });
    const labels = { ...Object.fromEntries(paths), [LEGACY_LAYER_ANNOTATION]: 'true' };
    const prepare = rig.snapshots.Prepare({ key: 'k', labels }, { timeoutMs: 60_000 });
    await refused(prepare, 'InvalidArgument', /100000 store paths/, CLOSURE_ANNOTATION);
    await rig.assertEmpty();
  });

  it('answers ResourceExhausted to a message of 17 MiB, and lives', async () => {
    const labels = { long: 'x'.repeat(17 * 1024 * 1024) };
    await refused(rig.snapshots.Prepare({ key: 'k', labels }), 'ResourceExhausted', /larger than max/);
    await rig.snapshots.Prepare({ key: 'k', labels: { long: 'x'.repeat(15 * 1024 * 1024) } });
    assert.equal((await rig.snapshots.Stat({ key: 'k' })).info?.labels['long']?.length, 15 * 1024 * 1024);
  });

  it('refuses keys that are empty or hold a NUL, and takes all others', async () => {
    for (const key of ['', 'a\0b']) {
      await refused(rig.snapshots.Prepare({ key }), 'InvalidArgument', 'snapshot key');
      await rig.snapshots.Prepare({ key: 'active' });
      await refused(rig.snapshots.Commit({ key: 'active', name: key }), 'InvalidArgument', 'snapshot name');
      await rig.snapshots.Remove({ key: 'active' });
    }
    const odd = ['../..', '/', ' ', 'new\nline', 'ключ', '__proto__', 'k'.repeat(100_000)];
    for (const key of odd) await rig.snapshots.Prepare({ key });
    assert.deepEqual(await rig.keys(), odd.toSorted());
    assert.equal(rig.names('snapshots').length, odd.length);
  });

  it('survives garbage, half a preface and thousands of bytes that are no HTTP/2', async () => {
    for (const bytes of [
      randomBytes(100_000),
      Buffer.from('PRI * HTTP/2.0\r\n'),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]) {
      const connection = connect(rig.node.hostPath(rig.daemon.socket));
      await once(connection, 'connect');
      connection.on('error', () => undefined);
      connection.end(bytes);
      connection.resume();
      await once(connection, 'close');
    }
    assert.deepEqual(await rig.keys(), []);
  });

  it('serves others beside 500 connections that never say anything', async () => {
    const silent = Array.from({ length: 500 }, () => connect(rig.node.hostPath(rig.daemon.socket)));
    await Promise.all(silent.map((connection) => once(connection, 'connect')));
    using client = rig.client();
    await client.service(snapshots).Prepare({ key: 'beside' });
    assert.deepEqual(await rig.keys(), ['beside']);
    for (const connection of silent) connection.destroy();
  });
});
