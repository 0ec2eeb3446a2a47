import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { LayerEntry } from './nix-layer.ts';
import { encodeMember, END_OF_TAR } from './tar-member.ts';

/** Modes are fixed, so that the bytes do not depend on umask or store. */
const MODE = { directory: 0o755, file: 0o555, symlink: 0o777 } as const;
/** So much is made in one turn of the event loop, in bytes: about 250 entries, well below a millisecond. */
const CHUNK = 128 * 1024;

/**
 * The uncompressed tar of a layer: entries in the order given, owner 0:0, time 0, PAX headers where a name needs them.
 * Same entries, same bytes.
 */
export function layerTar(entries: readonly LayerEntry[]): Readable {
  return Readable.from(chunks(entries), { objectMode: false });
}

/**
 * The diff ID of a layer with these entries: the digest (`sha256:<hex>`) of {@link layerTar}. Other work gets its turn
 * in between. Source: OCI image specification, "Layer DiffID".
 */
export async function layerDiffId(entries: readonly LayerEntry[]): Promise<string> {
  const hash = createHash('sha256');
  for (const chunk of chunks(entries)) {
    hash.update(chunk);
    await setImmediate();
  }
  return `sha256:${hash.digest('hex')}`;
}

function* chunks(entries: readonly LayerEntry[]): Generator<Buffer, void> {
  let blocks: Buffer[] = [];
  let size = 0;
  for (const { path, entry, content = '' } of entries) {
    const target = entry.kind === 'symlink' ? entry.target : '';
    for (const block of encodeMember({ path, kind: entry.kind, mode: MODE[entry.kind], target, content })) {
      blocks.push(block);
      size += block.length;
    }
    if (size < CHUNK) continue;
    yield Buffer.concat(blocks, size);
    blocks = [];
    size = 0;
  }
  yield Buffer.concat([...blocks, END_OF_TAR]);
}
