import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hierarchies, planCgroups } from '../../sandbox/cgroups.ts';

const HYBRID_MOUNTS = `24 1 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw
25 24 0:21 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
26 24 0:22 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
27 24 0:23 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
`;
const HYBRID_MEMBERSHIP = '2:cpu,cpuacct:/user/me\n1:name=systemd:/\n0::/deep\n';

describe('cgroup plan', () => {
  it('is a child of the current cgroup in each version-1 hierarchy', () => {
    const plan = planCgroups(hierarchies(HYBRID_MOUNTS, HYBRID_MEMBERSHIP), 'x');
    assert.deepEqual(plan, [
      {
        version: 1,
        mountPoint: '/sys/fs/cgroup/cpu,cpuacct',
        options: 'cpu,cpuacct',
        dir: '/sys/fs/cgroup/cpu,cpuacct/user/me/nix-snapshotter-testbed-x',
        processes: '/sys/fs/cgroup/cpu,cpuacct/user/me/nix-snapshotter-testbed-x',
      },
      {
        version: 1,
        mountPoint: '/sys/fs/cgroup/systemd',
        options: 'none,name=systemd',
        dir: '/sys/fs/cgroup/systemd/nix-snapshotter-testbed-x',
        processes: '/sys/fs/cgroup/systemd/nix-snapshotter-testbed-x',
      },
      {
        version: 2,
        mountPoint: '/sys/fs/cgroup/unified',
        options: '',
        dir: '/sys/fs/cgroup/unified/nix-snapshotter-testbed-x',
        processes: '/sys/fs/cgroup/unified/nix-snapshotter-testbed-x',
      },
    ]);
  });

  it('keeps processes out of the delegated node where there is only version 2', () => {
    const mounts = '30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
    const [only] = planCgroups(hierarchies(mounts, '0::/user.slice/session.scope\n'), 'x');
    assert.equal(only?.dir, '/sys/fs/cgroup/nix-snapshotter-testbed-x');
    assert.equal(only.processes, `${only.dir}/init`);
  });

  it('counts paths from the top of the mount where that is not the top of the hierarchy', () => {
    const mounts = '25 24 0:21 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n';
    const [pids] = hierarchies(mounts, '3:pids:/docker/abc/inner\n');
    assert.equal(pids?.current, '/sys/fs/cgroup/pids/inner');
  });
});
