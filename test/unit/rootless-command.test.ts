import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RootlessFacts } from '../../src/rootless/facts.ts';
import { rootlessKitOf } from '../../src/rootless-command.ts';

const FIT: RootlessFacts = {
  user: { id: 1000, name: 'alice' },
  missingPrograms: [],
  subordinate: { users: 65_536, groups: 65_536 },
  runtimeDirectory: '/run/user/1000',
  lingers: true,
  settings: new Map(),
  hasTun: true,
  hasProfile: false,
};

describe('rootlessKitOf', () => {
  let state: string;
  before(async () => {
    state = await mkdtemp(join(tmpdir(), 'rootlesskit-'));
    await writeFile(join(state, 'child_pid'), `${process.pid}\n`);
  });
  after(async () => await rm(state, { recursive: true }));

  it('finds a RootlessKit that runs, whatever else is missing', () => {
    assert.equal(rootlessKitOf(state, FIT).pid, process.pid);
    assert.equal(rootlessKitOf(state, { ...FIT, missingPrograms: ['newuidmap'] }).pid, process.pid);
  });

  it("refuses root, though a user's RootlessKit runs", () => {
    const root = { ...FIT, user: { id: 0, name: 'root' } };
    assert.throws(() => rootlessKitOf(state, root), {
      code: 'FailedPrecondition',
      message: /^this is root: run it as the user/,
    });
  });

  it('says what hinders it where none runs', () => {
    const absent = join(state, 'absent');
    assert.throws(() => rootlessKitOf(absent, FIT), { code: 'Unavailable' });
    const hindered = { ...FIT, missingPrograms: ['newuidmap'] };
    assert.throws(() => rootlessKitOf(absent, hindered), {
      code: 'FailedPrecondition',
      message: /^newuidmap is not in PATH/,
    });
  });
});
