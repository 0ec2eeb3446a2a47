import { after, before, describe } from 'node:test';
import { commitTests } from './snapshotter/commit.ts';
import { createTests } from './snapshotter/create.ts';
import { filterTests } from './snapshotter/filters.ts';
import { keyTests, listTests } from './snapshotter/list.ts';
import { mountTests } from './snapshotter/mounts.ts';
import { propertyTests } from './snapshotter/property.ts';
import { removeTests } from './snapshotter/remove.ts';
import { restartTests, timeTests } from './snapshotter/restart.ts';
import { open, type Expectations, type Session, type SubjectFactory } from './snapshotter/subject.ts';
import { updateTests } from './snapshotter/update.ts';
import { usageTests } from './snapshotter/usage.ts';

/**
 * What containerd and its clients rely on beyond containerd's own snapshotter suite, for any server of
 * `containerd.services.snapshots.v1` that stands in for overlayfs. Needs root (owners of directories).
 */
export function snapshotterSuite(name: string, factory: SubjectFactory, expectations: Expectations): void {
  describe(name, () => {
    describe('one server', () => {
      let session: Session;
      before(async () => {
        session = await open(factory);
      });
      after(() => session[Symbol.asyncDispose]());
      const current = () => session;
      createTests(current, expectations);
      commitTests(current, expectations);
      removeTests(current);
      updateTests(current, expectations);
      mountTests(current, expectations);
      usageTests(current);
      keyTests(current);
      timeTests(current);
    });
    filterTests(factory, expectations);
    listTests(factory, expectations);
    restartTests(factory);
    propertyTests(factory);
  });
}
