import { statfs } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';
import { failure, fine, type Finding, warning } from './finding.ts';

/** Room of the file system that a directory lies on. */
export interface DiskFacts {
  /** What lies there, in words. */
  readonly what: string;
  readonly path: string;
  /** Bytes that this user may still write, and all. */
  readonly free: number;
  readonly size: number;
  /** The same of inodes; 0 and 0 where the file system has no limit of them. */
  readonly freeInodes: number;
  readonly inodes: number;
}

/** Looks at the room of a directory's file system; undefined where the directory is not there. */
export async function readDisk(what: string, path: string): Promise<DiskFacts | undefined> {
  try {
    const { bavail, blocks, bsize, ffree, files } = await statfs(path);
    return { what, path, free: bavail * bsize, size: blocks * bsize, freeInodes: ffree, inodes: files };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

const GIB = 2 ** 30;

/** Whether there is room for what is pulled. */
export function judgeDisk(facts: DiskFacts): readonly Finding[] {
  const { what, path, free, size, freeInodes, inodes } = facts;
  const findings: Finding[] = [];
  const [isFull, isLow] = [free < GIB / 4, free < GIB || (free < size / 20 && free < 20 * GIB)];
  if (isLow) {
    const trouble = {
      what: `${path} (${what}) has ${gib(free)} GiB left of ${gib(size)}`,
      why: 'pulls and containers fail with "no space left on device"',
      fix: 'remove what nobody needs: stopped containers, images (crictl rmi, nerdctl rmi), then store paths; or enlarge the file system',
      commands: ['nix-collect-garbage'],
    };
    findings.push(isFull ? failure('disk-full', trouble) : warning('disk-low', trouble));
  }
  if (inodes > 0 && freeInodes < inodes / 50)
    findings.push(
      (freeInodes < inodes / 500 ? failure : warning)('disk-inodes', {
        what: `${path} (${what}) has ${freeInodes} inodes left of ${inodes}`,
        why: 'pulls and containers fail with "no space left on device" though there is room',
        fix: 'remove what nobody needs, or merge equal files; or make a file system with more inodes',
        commands: ['nix-collect-garbage', 'nix-store --optimise'],
      }),
    );
  return findings.length > 0 ? findings : [fine('disk', `${path} (${what}) has ${gib(free)} GiB left`)];
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}
