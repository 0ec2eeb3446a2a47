import type { RealiseRecord } from './realise-log.ts';
import {
  blamedIn,
  failedDownload,
  lostArchive,
  ownerOf,
  refusesSignature,
  type SubstituterAnswer,
} from './substituter-answers.ts';

/** Why Nix failed, as far as what it said tells. */
export type FailureCause =
  | { readonly kind: 'disk-full' | 'store-read-only' | 'absent' | 'unclear' }
  | { readonly kind: 'signature'; readonly cache: string | undefined; readonly path: string | undefined }
  | {
      readonly kind: 'damaged-archive';
      readonly cache: string | undefined;
      readonly path: string | undefined;
      readonly reason: string;
    }
  | { readonly kind: 'nix-daemon-down'; readonly reason: string }
  | { readonly kind: 'login'; readonly caches: readonly string[] }
  | { readonly kind: 'cache-down'; readonly caches: readonly string[]; readonly reason: string };

const DISK_FULL =
  /No space left on device|database or disk is full|Disk quota exceeded|not enough free disk space/i;
const READ_ONLY = /Read-only file system|remounting \S+ writable|attempt to write a readonly database/i;
/** The texts of libarchive and zstd among them: an archive that is cut short ends before its compression does. */
const DAMAGED =
  /hash mismatch|NAR hash .* does not match|is corrupt|bad archive|is incomplete|Failed to open archive|truncated|Truncated|unexpected end-of-file|decompress|Transferred a partial file/;
const DAEMON_DOWN = /cannot connect to (?:daemon|socket)|cannot open connection to remote store/i;
const ABSENT =
  /no substituter that can build it|don't know how to build|build of '[^']*' failed|does not exist|is not valid|could not be realised|cannot build missing derivation|failed to obtain derivation/i;
const STORE_PATH = /\/nix\/store\/[0-9a-z]{32}-[0-9A-Za-z+\-._?=]+/;

/** The first of these that holds, so that what hides others comes first. */
export function causeOf(record: RealiseRecord, answers: readonly SubstituterAnswer[]): FailureCause {
  const { messages } = record;
  const find = (pattern: RegExp): string | undefined =>
    messages.find((message) => pattern.test(withoutPaths(message)));
  if (find(DISK_FULL) !== undefined) return { kind: 'disk-full' };
  if (find(READ_ONLY) !== undefined) return { kind: 'store-read-only' };
  const refused = messages.find(refusesSignature);
  if (refused !== undefined)
    return { kind: 'signature', cache: blamedIn(refused), path: STORE_PATH.exec(refused)?.[0] };
  const damaged = find(DAMAGED) ?? messages.find((message) => lostArchive(message) !== undefined);
  if (damaged !== undefined) return damagedArchive(damaged, record);
  const daemon = find(DAEMON_DOWN);
  if (daemon !== undefined)
    return { kind: 'nix-daemon-down', reason: daemon.replace(/^error: (?:cannot connect to )?/, '') };
  const asking = answers.filter(({ answer }) => /^HTTP (?:error )?401\b/.test(answer));
  if (asking.length > 0) return { kind: 'login', caches: asking.map(({ substituter }) => substituter) };
  const down = answers.filter(({ isOutage }) => isOutage);
  if (down[0] !== undefined) {
    const caches = down.map(({ substituter }) => substituter);
    return { kind: 'cache-down', caches, reason: down[0].answer };
  }
  if (record.unknownPaths.length > 0 || find(ABSENT) !== undefined) return { kind: 'absent' };
  return { kind: 'unclear' };
}

/** A path's own name says nothing of what went wrong: one may be called `decompress`. */
function withoutPaths(message: string): string {
  return message.replaceAll(new RegExp(STORE_PATH, 'g'), '');
}

function damagedArchive(message: string, record: RealiseRecord): FailureCause {
  const failed = failedDownload(message);
  const url = failed?.url;
  const cache = url === undefined ? (blamedIn(message) ?? lostArchive(message)) : url;
  return {
    kind: 'damaged-archive',
    cache: cache === undefined ? undefined : ownerOf(cache, record.substituters),
    path: (url === undefined ? undefined : record.downloads.get(url)) ?? STORE_PATH.exec(message)?.[0],
    reason:
      failed?.reason ?? message.replace(/^error: /, '').replaceAll(/ (?:for|fetched from) '[^']*'/g, ''),
  };
}

/** Whether Nix says that no room is left. */
export function saysDiskFull(text: string): boolean {
  return DISK_FULL.test(text);
}

/**
 * Whether what Nix remembers of a cache may be to blame: it keeps descriptions of paths for 30 days
 * (`narinfo-cache-positive-ttl`), and a path may have been signed or pushed again since.
 */
export function mayBeOutdated(messages: readonly string[]): boolean {
  return messages.some(
    (message) =>
      refusesSignature(message) || DAMAGED.test(withoutPaths(message)) || lostArchive(message) !== undefined,
  );
}
