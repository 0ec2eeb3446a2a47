import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteReader, StreamEnded, StreamSilent } from '../../../../src/nix/daemon/byte-reader.ts';
import {
  boolean,
  type Decode,
  integer,
  list,
  ProtocolError,
  storePath,
  text,
  WireWriter,
} from '../../../../src/nix/daemon/wire.ts';

const PATIENT = (): number => 60_000;

/** Reads one value of bytes that come in pieces, the stream then ending. */
async function readPieces<T>(bytes: Buffer, sizes: readonly number[], decoder: Decode<T>): Promise<T> {
  const stream = new PassThrough();
  const reader = new ByteReader(stream);
  const value = reader.read(decoder, PATIENT);
  let at = 0;
  for (const size of sizes) {
    stream.write(bytes.subarray(at, at + size));
    at += size;
  }
  stream.end(bytes.subarray(at));
  return await value;
}

function* record(): Decode<unknown> {
  return {
    number: yield* integer('a number'),
    flag: yield* boolean('a flag'),
    words: yield* list('words', () => text('a word')),
    last: yield* text('the last'),
  };
}

const records = fc.record({
  number: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  flag: fc.boolean(),
  words: fc.array(fc.string({ unit: 'grapheme' })),
  last: fc.string({ unit: 'grapheme' }),
});
const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 });

function encode({
  number,
  flag,
  words,
  last,
}: {
  number: number;
  flag: boolean;
  words: string[];
  last: string;
}) {
  return new WireWriter().u64(number).u64(flag).texts(words).text(last).bytes();
}

describe('wire', () => {
  it('reads what was written, however it is cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(records, pieces, async (value, sizes) => {
        assert.deepEqual(await readPieces(encode(value), sizes, record()), { ...value });
      }),
    );
  });

  it('takes a multiple of 8 bytes for whatever it writes', () => {
    fc.assert(fc.property(records, (value) => encode(value).length % 8 === 0));
  });

  it('ends with an error wherever the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.nat(), async (value, cut) => {
        const bytes = encode(value);
        const short = bytes.subarray(0, cut % bytes.length);
        await assert.rejects(readPieces(short, [], record()), StreamEnded);
      }),
    );
  });

  it('reads random bytes to a value or an error, and asks for no more than it may', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        await readPieces(Buffer.from(bytes), [], bounded(record())).catch((error: unknown) => {
          assert.ok(error instanceof ProtocolError || error instanceof StreamEnded, String(error));
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses lengths and counts beyond the limit before it reads on', () => {
    const huge = new WireWriter().u64(2n ** 63n).bytes();
    for (const decoder of [text('a name'), list('names', () => text('a name')), integer('a count', 10)]) {
      decoder.next();
      assert.throws(() => decoder.next(huge), ProtocolError);
    }
  });

  it('refuses padding that is not zero', async () => {
    const bytes = new WireWriter().text('abc').bytes();
    bytes[15] = 1;
    await assert.rejects(readPieces(bytes, [], text('a name')), /padded with 1/);
  });

  it('refuses what is not a store path', async () => {
    for (const name of ['', '/etc/passwd', '/nix/store/../etc', `/nix/store/${'a'.repeat(32)}-x/y`]) {
      await assert.rejects(
        readPieces(new WireWriter().text(name).bytes(), [], storePath()),
        /not a store path/,
      );
    }
  });

  it('writes a framed stream that ends with an empty frame', () => {
    assert.equal(
      new WireWriter().framed(Buffer.from('abc')).bytes().toString('hex'),
      `0300000000000000${Buffer.from('abc').toString('hex')}0000000000000000`,
    );
    assert.equal(new WireWriter().framed(Buffer.alloc(0)).bytes().toString('hex'), '0000000000000000');
  });
});

describe('ByteReader', () => {
  it('gives up on a peer that says nothing', async () => {
    const reader = new ByteReader(new PassThrough());
    await assert.rejects(
      reader.read(integer('a number'), () => 1),
      StreamSilent,
    );
  });

  it('stops reading a peer that sends what nobody asked for', async () => {
    const stream = new PassThrough();
    const reader = new ByteReader(stream);
    const block = Buffer.alloc(64 * 1024);
    let written = 0;
    while (stream.write(block)) {
      written += block.length;
      assert.ok(written < 16 * 1024 * 1024, 'it takes whatever comes');
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(reader.quiet, false);
    assert.equal(await reader.read(integer('a number'), PATIENT), 0);
  });
});

/** The same decoder; what it asks for at once must be bounded. */
function* bounded<T>(decoder: Decode<T>): Decode<T> {
  let step = decoder.next();
  while (step.done !== true) {
    assert.ok(step.value <= 64 * 1024 + 8, `asks for ${step.value} bytes`);
    step = decoder.next(yield step.value);
  }
  return step.value;
}
