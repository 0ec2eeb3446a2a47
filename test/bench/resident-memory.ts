import { readFile } from 'node:fs/promises';

/** Resident memory of a process of this machine, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kibibytes = /^Rss:\s+(\d+) kB/m.exec(rollup)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/smaps_rollup names no Rss`);
  return Number(kibibytes) / 1024;
}
