import { lstatSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import type { Usage } from '../metadata/schema.ts';

/** How long one stretch of synchronous work may hold the event loop, in milliseconds. */
const SLICE_MS = 5;
const SLASH = Buffer.from('/');

/**
 * Allocated bytes (512-byte blocks) and inodes below a directory, itself included, hard links once.
 * Stays on the directory's file system. What vanishes meanwhile is not counted.
 * Source: containerd `continuity/fs` diskUsage.
 *
 * Works in short synchronous stretches: several times faster than the thread pool on many small files, and other
 * requests still get their turn.
 *
 * @throws the Node.js error when the directory itself cannot be read.
 */
export async function diskUsage(directory: string): Promise<Usage> {
  const top = lstatSync(directory);
  const seen = new Set<string>();
  const pending = [Buffer.from(directory)];
  let size = top.blocks * 512;
  let inodes = 1;
  let sliceEnd = performance.now() + SLICE_MS;
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    for (const name of namesIn(current)) {
      if (performance.now() > sliceEnd) {
        await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
      const path = Buffer.concat([current, SLASH, name]);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (stat.nlink > 1 && !stat.isDirectory()) {
        const inode = `${stat.dev}:${stat.ino}`;
        if (seen.has(inode)) continue;
        seen.add(inode);
      }
      size += stat.blocks * 512;
      inodes += 1;
      if (stat.isDirectory() && stat.dev === top.dev) pending.push(path);
    }
  }
  return { size, inodes };
}

/** Names are bytes: as text, one that is not UTF-8 would not be found again. */
function namesIn(directory: Buffer): readonly Buffer[] {
  try {
    return readdirSync(directory, { encoding: 'buffer' });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
