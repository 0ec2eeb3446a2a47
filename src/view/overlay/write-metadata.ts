import { setImmediate } from 'node:timers/promises';
import { encodeMember, END_OF_TAR, type TarMember } from '../../closure/tar-member.ts';
import { runProgram } from '../../host/run-program.ts';
import type { MetadataEntry } from './plan-metadata.ts';

/** Entries that are packed in one stretch: about a millisecond. */
const STRETCH = 250;
/** A tar block, in bytes. */
const BLOCK = 512;

/**
 * Makes the entries in a directory, by GNU tar: Node.js has no call for extended attributes, and one tar process makes a
 * thousand entries with theirs in the time of a few processes.
 *
 * @param directory exists and is empty.
 * @throws StatusError with tar's words, for instance where the file system has no trusted attributes.
 */
export async function writeMetadata(directory: string, entries: readonly MetadataEntry[]): Promise<void> {
  await runProgram(
    'tar',
    [
      '--extract',
      '--xattrs',
      '--xattrs-include=trusted.overlay.*',
      '--same-permissions',
      '-C',
      directory,
      '-f',
      '-',
    ],
    await archiveOf(entries),
  );
}

async function archiveOf(entries: readonly MetadataEntry[]): Promise<Buffer> {
  const blocks: Buffer[] = [];
  for (const [index, entry] of entries.entries()) {
    if (index % STRETCH === STRETCH - 1) await setImmediate();
    blocks.push(...encodeMember(memberOf(entry)));
  }
  return Buffer.concat([...blocks, END_OF_TAR]);
}

function memberOf({ name, kind, mode, mtime, size, linkTarget, attributes }: MetadataEntry): TarMember {
  const records = Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [`SCHILY.xattr.${key}`, value]),
  );
  const member = { path: name, kind, mode, mtime, records };
  if (kind === 'symlink') return { ...member, target: linkTarget ?? '' };
  if (kind === 'directory') return member;
  return { ...member, content: map(size), records: { ...records, ...hole(name, size) } };
}

/** Headers of a file that is one hole. Source: GNU tar manual, "PAX Format, Versions 1.0". */
function hole(name: string, size: number): Record<string, string> {
  return {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': name,
    'GNU.sparse.realsize': String(size),
  };
}

/** The map of such a file, one block: a piece of data, at its end and empty. */
function map(size: number): string {
  return `1\n${size}\n0\n`.padEnd(BLOCK, '\0');
}
