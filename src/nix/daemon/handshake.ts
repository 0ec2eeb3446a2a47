import { StatusError } from '../../errors.ts';
import { type Decode, integer, list, ProtocolError, text, WireWriter } from './wire.ts';

const CLIENT_MAGIC = 0x6e697863;
const SERVER_MAGIC = 0x6478696f;

/** Major version 1 in the upper byte. */
const version = (minor: number): number => 0x100 | minor;
/** What is spoken here; with a newer daemon too, which keeps to the older of both versions. */
const NEWEST = version(38);
/** Nix 2.8 has 34; below 33 the daemon does not tell its version, below 30 the paths to build have another form. */
const OLDEST = version(33);
/** From here on the daemon tells whether it trusts the client. */
const TELLS_TRUST = version(35);
/** From here on both sides tell their features. */
const HAS_FEATURES = version(38);

/** Who is at the other end. */
export interface DaemonPeer {
  /** The protocol spoken, as `1.<minor>`. */
  readonly protocol: string;
  readonly nixVersion: string;
  /** Whether restricted settings take effect; undefined when the daemon does not tell. */
  readonly trusted: boolean | undefined;
}

/** Writes bytes to the daemon and reads values from it. */
export interface Dialogue {
  readonly write: (bytes: Buffer) => void;
  /** See `ByteReader.read`. */
  readonly read: <T>(decoder: Decode<T>, gatherMs?: () => number) => Promise<T>;
}

/**
 * Greets the daemon and agrees on a protocol; its first log comes next. Source: nix
 * `src/libstore/worker-protocol-connection.cc`, `handshake` and `postHandshake`.
 *
 * @throws ProtocolError when no Nix daemon answers; StatusError FailedPrecondition for one older than Nix 2.8.
 */
export async function handshake(daemon: Dialogue): Promise<DaemonPeer> {
  daemon.write(new WireWriter().u64(CLIENT_MAGIC).u64(NEWEST).bytes());
  const theirs = await daemon.read(serverGreeting());
  if (theirs >> 8 !== 1)
    throw new ProtocolError(`protocol ${theirs >> 8}.${theirs & 0xff} is not known here`);
  if (theirs < OLDEST) {
    throw new StatusError(
      'FailedPrecondition',
      `the Nix daemon speaks protocol 1.${theirs & 0xff}, older than Nix 2.8: restart it after an upgrade of Nix`,
    );
  }
  const spoken = Math.min(theirs, NEWEST);
  if (spoken >= HAS_FEATURES) {
    daemon.write(new WireWriter().texts([]).bytes());
    await daemon.read(list('features', () => text('a feature'), MAX_FEATURES));
  }
  // CPU affinity and reserved space: both obsolete.
  daemon.write(new WireWriter().u64(0).u64(0).bytes());
  return {
    protocol: `1.${spoken & 0xff}`,
    nixVersion: await daemon.read(text('the version of Nix', MAX_VERSION)),
    trusted: spoken >= TELLS_TRUST ? await daemon.read(trust()) : undefined,
  };
}

const MAX_FEATURES = 1000;
const MAX_VERSION = 200;

function* serverGreeting(): Decode<number> {
  const magic = yield 8;
  if (magic.readBigUInt64LE() !== BigInt(SERVER_MAGIC)) {
    throw new ProtocolError('it does not greet as a Nix daemon does');
  }
  return yield* integer('the protocol version', 0xffff);
}

function* trust(): Decode<boolean | undefined> {
  const flag = yield* integer('the trust flag', 2);
  return flag === 0 ? undefined : flag === 1;
}
