import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { StorePath } from '../../../src/closure/store-path.ts';
import { encodeMember, END_OF_TAR, type TarMember } from '../../../src/closure/tar-member.ts';
import { StatusError } from '../../../src/errors.ts';
import { readFakeRoot } from '../../../src/image/fake-root.ts';
import { indexTar, tarHeaders } from '../../../src/image/tar-index.ts';
import { ByteReader, StreamEnded } from '../../../src/nix/daemon/byte-reader.ts';
import { handshake } from '../../../src/nix/daemon/handshake.ts';
import { logMessage } from '../../../src/nix/daemon/log-messages.ts';
import {
  addTextToStore,
  type Operation,
  queryMissing,
  queryPathInfo,
  querySubstitutablePathInfos,
  queryValidPaths,
} from '../../../src/nix/daemon/operations.ts';
import { type Decode, ProtocolError, WireWriter } from '../../../src/nix/daemon/wire.ts';
import { LineSplitter } from '../../../src/nix/line-splitter.ts';
import { parseLogLine } from '../../../src/nix/log-line.ts';
import { parseRegistration } from '../../../src/nix/registration.ts';
import { cleanText, printable } from '../../../src/printable.ts';
import { recoverFromTar } from '../../../src/store-image/recover-layer.ts';
import { outcome, Random, type Target } from '../target.ts';

const HASH = '0123456789abcdfghijklmnpqrsvwxyz';
const PATH = `/nix/store/${HASH}-name` as StorePath;

const NAMES = [
  'a',
  'a/b',
  'nix',
  'nix/store',
  `nix/store/${HASH}-a`,
  'nix/.nix-snapshotter-layer',
  '.wh.a',
  '../x',
  'x'.repeat(150),
  'é',
  `${'d/'.repeat(60)}f`,
];
const TARGETS_OF_LINKS = ['a', '../..', PATH, '/etc/passwd', 'x'.repeat(120)];
const RECORDS: readonly Readonly<Record<string, string>>[] = [
  {},
  { path: 'b' },
  { path: '' },
  { size: '3' },
  { 'GNU.sparse.name': 'x' },
  { 'SCHILY.xattr.trusted.overlay.opaque': 'y' },
  { uid: '1000000' },
  { linkpath: '../x' },
];

function member(random: Random): TarMember {
  const records = random.pick(RECORDS);
  return { ...plainMember(random), ...(Object.keys(records).length === 0 ? {} : { records }) };
}

function plainMember(random: Random): TarMember {
  const kind = random.pick(['directory', 'file', 'symlink'] as const);
  return {
    path: random.pick(NAMES),
    kind,
    mode: random.next(0o10000),
    ...(kind === 'symlink' ? { target: random.pick(TARGETS_OF_LINKS) } : {}),
    ...(kind === 'file' ? { content: 'x'.repeat(random.next(1200)) } : {}),
  };
}

const tarOf = (members: readonly TarMember[]) =>
  Buffer.concat([...members.flatMap(encodeMember), END_OF_TAR]);
const TARS = [
  tarOf([{ path: 'a', kind: 'file', mode: 0o644, content: 'x' }]),
  tarOf(NAMES.map((path) => ({ path, kind: 'directory', mode: 0o755 }))),
  tarOf([{ path: 'nix/.nix-snapshotter-layer', kind: 'file', mode: 0o644, content: `${PATH}\n` }]),
  tarOf([{ path: 'x'.repeat(150), kind: 'symlink', mode: 0o777, target: 'é'.repeat(80) }]),
];

/** Most changes of a header make its checksum wrong: half of the inputs get theirs mended. */
function mended(bytes: Buffer): Buffer {
  if ((bytes.at(-1) ?? 0) % 2 === 1) return bytes;
  const tar = Buffer.from(bytes);
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    if (tar.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    tar.fill(' ', at + 148, at + 156);
    const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
  }
  return tar;
}

const directory = mkdtempSync(join(tmpdir(), 'fuzz-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'x.tar');

const layerTars: Target = {
  seeds: [...TARS, ...TARS.map((tar) => gzipSync(tar))],
  generate: (random) => tarOf(random.list(6, () => member(random))),
  check: async (bytes) =>
    await outcome(async () => await recoverFromTar(Readable.from([mended(bytes)], { objectMode: false }))),
};

/** As much of an open file as is used: a turn of the thread pool for each header would be all that there is time for. */
function inMemory(bytes: Buffer): FileHandle {
  const handle = {
    stat: () => Promise.resolve({ size: bytes.length }),
    read: (buffer: Buffer, offset: number, length: number, position: number) =>
      Promise.resolve({ buffer, bytesRead: bytes.copy(buffer, offset, position, position + length) }),
  };
  return handle as unknown as FileHandle;
}

const tarIndexes: Target = {
  seeds: TARS,
  generate: (random) => tarOf(random.list(6, () => member(random))),
  check: async (bytes) => {
    const tar = mended(bytes);
    return await outcome(async () => {
      const entries = await indexTar(inMemory(tar), 'x.tar');
      for (const [name, { offset, size }] of entries) {
        assert.ok(!name.startsWith('/') && !name.split('/').includes('..'), name);
        assert.ok(offset + size <= tar.length);
      }
      return entries.size;
    });
  },
};

const fakeRoots: Target = {
  seeds: TARS,
  generate: (random) => tarOf(random.list(6, () => member(random))),
  check: async (bytes) => {
    writeFileSync(file, mended(bytes));
    return await outcome(async () => {
      const { paths } = await readFakeRoot(file, join(directory, 'plain.tar'));
      for (const path of paths)
        assert.ok(!path.split('/').some((part) => part === '..' || part.startsWith('.wh.')), path);
      assert.ok(![...paths].some((path) => path.startsWith('nix/store/')));
      return paths.size;
    });
  },
};

/** What is written is read as it was, whatever it is. */
const tarMembers: Target = {
  seeds: ['1', '22', '333'],
  generate: (random) => Buffer.from(Array.from({ length: 8 }, () => random.next(256))),
  check: async (bytes) => {
    const random = new Random(bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 7));
    const members = random.list(4, () => plainMember(random));
    const tar = tarOf(members);
    const found: string[] = [];
    for await (const { header, offset } of tarHeaders(inMemory(tar), tar.length, 'x.tar')) {
      const content = tar.toString('utf8', offset, offset + header.size);
      found.push(
        [header.name.replace(/\/$/, ''), header.type, header.mode, header.linkName, content].join(' '),
      );
    }
    const types = { file: '0', symlink: '2', directory: '5' };
    assert.deepEqual(
      found,
      members.map(({ path, kind, mode, target = '', content = '' }) =>
        [path, types[kind], mode, target, content].join(' '),
      ),
    );
    return `${members.length}`;
  },
};

/** Bytes that no decoder may ask for at once: the longest text, its padding. */
const MOST_AT_ONCE = 4 * 1024 * 1024 + 8;

function* bounded<T>(decoder: Decode<T>): Decode<T> {
  let step = decoder.next();
  while (step.done !== true) {
    assert.ok(step.value <= MOST_AT_ONCE, `asks for ${step.value} bytes`);
    step = decoder.next(yield step.value);
  }
  return step.value;
}

const broken = (error: unknown): boolean =>
  error instanceof ProtocolError || error instanceof StreamEnded || error instanceof StatusError;

const OPERATIONS: readonly Operation<unknown>[] = [
  queryPathInfo(PATH),
  queryValidPaths([PATH]),
  queryMissing([PATH]),
  querySubstitutablePathInfos([PATH]),
  addTextToStore('n', 'x', []),
];
const info = new WireWriter()
  .u64(1)
  .text('')
  .text('0'.repeat(52))
  .texts([PATH])
  .u64(1)
  .u64(5)
  .u64(0)
  .texts(['k:s'])
  .text('');
const daemonProtocol: Target = {
  seeds: [
    new WireWriter().u64(0x6478696f).u64(0x126).texts(['f']).text('2.34').u64(1).bytes(),
    new WireWriter().u64(0x616c7473).bytes(),
    new WireWriter().u64(0x6f6c6d67).text('hello').u64(0x616c7473).bytes(),
    new WireWriter()
      .u64(0x53545254)
      .u64(7)
      .u64(3)
      .u64(100)
      .text('copying')
      .u64(2)
      .u64(1)
      .text('a')
      .u64(0)
      .u64(5)
      .u64(0)
      .bytes(),
    new WireWriter()
      .u64(0x63787470)
      .text('Error')
      .u64(0)
      .text('e')
      .text('message')
      .u64(0)
      .u64(1)
      .u64(0)
      .text('trace')
      .bytes(),
    info.bytes(),
    new WireWriter().texts([PATH]).texts([]).texts([PATH]).u64(0).u64(0).bytes(),
  ],
  generate: (random) => {
    const writer = new WireWriter();
    for (let left = random.next(10); left > 0; left--) {
      const what = random.next(4);
      if (what === 0) writer.u64(random.pick([0, 1, 2, 255, 0x6478696f, 0x616c7473, 0x63787470, 2n ** 63n]));
      else if (what === 1) writer.text(random.pick(['Error', '', PATH, '/etc', 'x'.repeat(300)]));
      else if (what === 2) writer.texts(random.list(4, () => PATH));
      else writer.u64(random.next(200));
    }
    return writer.bytes();
  },
  check: async (bytes) => {
    const read = async <T>(decoder: Decode<T>): Promise<T> => {
      const stream = new PassThrough();
      const value = new ByteReader(stream).read(bounded(decoder), () => 60_000);
      stream.end(bytes);
      return await value;
    };
    const came = [await outcome(async () => await read(logMessage()), broken)];
    for (const { answer } of OPERATIONS) came.push(await outcome(async () => await read(answer()), broken));
    const stream = new PassThrough();
    const reader = new ByteReader(stream);
    stream.end(bytes);
    const dialogue = {
      write: () => {},
      read: async <T>(decoder: Decode<T>) => await reader.read(bounded(decoder), () => 60_000),
    };
    came.push(await outcome(async () => await handshake(dialogue), broken));
    return came.join('; ').slice(0, 600);
  },
};

// eslint-disable-next-line no-control-regex -- what a terminal would act on
const CONTROL = /[\0-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const logLines: Target = {
  seeds: [
    '@nix {"action":"start","id":1,"type":100,"fields":["/nix/store/x","a","b"]}\n@nix {"action":"stop","id":1}\n',
    '@nix {"action":"msg","level":0,"msg":"\\u001b[31merror:\\u001b[0m x","raw_msg":"x"}\nerror: plain\n',
    '\u001b]0;title\u0007\u001b[2Jwarning: x\r\n',
    `${PATH}\nsha256:x\n5\n\n1\n${PATH}\n`,
  ],
  check: async (bytes) => {
    const kinds: string[] = [];
    const splitter = new LineSplitter((line) => {
      assert.ok(line.length <= 64 * 1024 && !line.includes('\n'));
      const parsed = parseLogLine(line);
      kinds.push(parsed?.kind ?? 'nothing');
      if (parsed?.kind === 'message') assert.doesNotMatch(parsed.text, CONTROL);
    });
    for (let at = 0; at < bytes.length; at += 7) splitter.write(bytes.subarray(at, at + 7));
    splitter.end();
    const text = bytes.toString();
    assert.doesNotMatch(cleanText(text), CONTROL);
    assert.doesNotMatch(printable(text).replaceAll('\n', ''), CONTROL);
    return `${[...new Set(kinds)].toSorted().join()} ${await outcome(() => parseRegistration(text))}`;
  },
};

export const BYTE_TARGETS = { layerTars, tarIndexes, fakeRoots, tarMembers, daemonProtocol, logLines };
