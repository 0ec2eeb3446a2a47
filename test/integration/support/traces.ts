import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { errnoOf } from '../../../src/errors.ts';
import { hierarchies, planCgroups } from '../../sandbox/cgroups.ts';
import { runDir } from '../../sandbox/layout.ts';

/** What there is of a sandbox on this machine: files, cgroups, processes that have not ended, mounts. */
export function tracesOf(id: string): readonly string[] {
  const cgroups = planCgroups(hierarchies(), id).map(({ dir }) => dir);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const processes = pids.filter((pid) => isRunning(pid) && readProc(pid, 'cgroup').includes(`-${id}`));
  const mounted = pids.filter((pid) => readProc(pid, 'mountinfo').includes(`/run/${id}/`));
  return [
    ...(existsSync(`${runDir}/${id}`) ? ['files'] : []),
    ...(cgroups.some((dir) => existsSync(dir)) ? ['cgroup'] : []),
    ...(processes.length > 0 ? [`process ${processes.join(' ')}`] : []),
    ...(mounted.length > 0 ? [`mount of process ${mounted.join(' ')}`] : []),
  ];
}

/** It has memory. One that has ended has none, and goes once its parent has asked how it ended. */
function isRunning(pid: string): boolean {
  return /^VmSize:/m.test(readProc(pid, 'status'));
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    // It has ended since the listing, or is a zombie.
    assert.ok(['ENOENT', 'ESRCH', 'EINVAL'].includes(errnoOf(error) ?? ''), String(error));
    return '';
  }
}
