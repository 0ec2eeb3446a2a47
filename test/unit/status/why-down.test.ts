import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { messageOf, StatusError } from '../../../src/errors.ts';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { status } from '../../../src/rpc/proto.ts';
import { whyDown } from '../../../src/status/why-down.ts';

const asked = async (address: string): Promise<unknown> => {
  using client = createRpcClient({ address });
  return await client
    .service(status)
    .Status({})
    .then(
      () => assert.fail('it answers'),
      (error: unknown) => whyDown(error, address),
    );
};

describe('why a daemon is not reached', () => {
  it('nobody listens: in the words of the system, without those of the client', async () => {
    assert.equal(
      messageOf(await asked('/nowhere.sock')),
      'nix-snapshotter does not answer at /nowhere.sock (connect ENOENT /nowhere.sock); start it ' +
        '(systemctl start nix-snapshotter) [troubleshooting: snapshotter-down]',
    );
  });

  it('something else is at the path', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'down-'));
    t.after(async () => await rm(directory, { recursive: true }));
    const file = join(directory, 'file');
    await writeFile(file, '');
    for (const path of [file, directory])
      assert.match(messageOf(await asked(path)), /^\S+ is no socket; give that of the daemon by --address/);
  });

  it('this user may not open it, which no start mends', () => {
    const refused = new StatusError('Unavailable', 'Last error: Error: connect EACCES /s.');
    const told = whyDown(refused, '/s');
    assert.ok(told instanceof StatusError);
    assert.equal(told.code, 'PermissionDenied');
    assert.match(told.message, /may not open the socket of the daemon \(connect EACCES \/s\); run this as/);
  });
});
