import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StorePath } from '../../../../src/closure/store-path.ts';
import { StatusError } from '../../../../src/errors.ts';
import {
  DaemonConnection,
  DaemonError,
  type Limits,
  type RunOptions,
} from '../../../../src/nix/daemon/connection.ts';
import { isValidPath, queryPathInfo, queryValidPaths } from '../../../../src/nix/daemon/operations.ts';
import { connectSocket } from '../../../../src/nix/daemon/transport.ts';
import { WireWriter } from '../../../../src/nix/daemon/wire.ts';
import { errorMessage, FakeDaemon, greeting, LAST, NEXT, SERVER_MAGIC, START } from './fake-daemon.ts';

const PATH = `/nix/store/${'a'.repeat(32)}-x` as StorePath;
const SHORT: Limits = { silenceMs: 50, totalMs: 10_000, messages: 1000 };

async function open(daemon: FakeDaemon, options?: RunOptions): Promise<DaemonConnection> {
  return await DaemonConnection.open(await connectSocket(daemon.path), options);
}

/** Greets properly and answers the first operation with `bytes`. */
async function answering(bytes: WireWriter, options?: RunOptions): Promise<unknown> {
  await using daemon = await FakeDaemon.sending(Buffer.concat([greeting().bytes(), bytes.bytes()]));
  const connection = await open(daemon);
  try {
    return await connection.ask(queryPathInfo(PATH), options);
  } finally {
    await connection.close();
  }
}

const log = (text: string): WireWriter => new WireWriter().u64(NEXT).text(text);

describe('a daemon that greets badly', () => {
  const greetings: readonly [name: string, bytes: Buffer, code: string, message: RegExp][] = [
    [
      'is something else',
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      'Internal',
      /does not greet as a Nix/,
    ],
    [
      'says nothing and closes',
      Buffer.alloc(0),
      'Unavailable',
      /greeting: the connection was closed; try again/,
    ],
    [
      'is too old',
      new WireWriter().u64(SERVER_MAGIC).u64(0x114).bytes(),
      'FailedPrecondition',
      /speaks protocol 1\.20, older than Nix 2\.8/,
    ],
    ['is of another age', new WireWriter().u64(SERVER_MAGIC).u64(0x201).bytes(), 'Internal', /protocol 2\.1/],
    [
      'has endless features',
      new WireWriter()
        .u64(SERVER_MAGIC)
        .u64(0x126)
        .u64(2n ** 40n)
        .bytes(),
      'Internal',
      /number of features is \d+, at most 1000/,
    ],
    [
      'has a name without end',
      new WireWriter()
        .u64(SERVER_MAGIC)
        .u64(0x125)
        .u64(2n ** 62n)
        .bytes(),
      'Internal',
      /length of the version of Nix/,
    ],
  ];
  for (const [name, bytes, code, message] of greetings) {
    it(`${name}: ${code}`, async () => {
      await using daemon = await FakeDaemon.sending(bytes);
      await assert.rejects(open(daemon), { code, message });
    });
  }

  it('takes a newer minor version for its own', async () => {
    const newer = new WireWriter().u64(SERVER_MAGIC).u64(0x1ff).texts(['later']).text('9.9').u64(2).u64(LAST);
    await using daemon = await FakeDaemon.sending(newer.bytes(), { end: false });
    const connection = await open(daemon);
    assert.deepEqual(connection.peer, { protocol: '1.38', nixVersion: '9.9', trusted: false });
    await connection.close();
  });

  it('refuses us with its reason', async () => {
    const refusing = new WireWriter().u64(SERVER_MAGIC).u64(0x122).text('2.8.0');
    await using daemon = await FakeDaemon.sending(
      Buffer.concat([refusing.bytes(), errorMessage('user is not allowed').bytes()]),
    );
    await assert.rejects(open(daemon), (error) => {
      assert.ok(error instanceof DaemonError);
      assert.equal(error.message, 'error: user is not allowed');
      return true;
    });
  });

  it('never answers', async () => {
    await using daemon = await FakeDaemon.sending(Buffer.alloc(0), { end: false });
    await assert.rejects(open(daemon, { limits: SHORT }), {
      code: 'Unavailable',
      message: /it says nothing/,
    });
  });
});

describe('a daemon that answers badly', () => {
  const answers: readonly [name: string, bytes: WireWriter, code: string, message: RegExp][] = [
    ['sends an unknown message', new WireWriter().u64(12), 'Internal', /unknown message type 0xc/],
    [
      'wants data',
      new WireWriter().u64(0x64617461).u64(10),
      'Internal',
      /a transfer of data that nobody asked for/,
    ],
    ['logs without end', new WireWriter().u64(NEXT).u64(2n ** 50n), 'Internal', /length of a log text/],
    ['has a flag that is none', new WireWriter().u64(LAST).u64(7), 'Internal', /validity of a path is 7/],
    [
      'refers to a path that is none',
      new WireWriter().u64(LAST).u64(1).text('').text('0'.repeat(64)).texts(['/etc/shadow']),
      'Internal',
      /"\/etc\/shadow" is not a store path/,
    ],
    [
      'has references without end',
      new WireWriter()
        .u64(LAST)
        .u64(1)
        .text('')
        .text('')
        .u64(2n ** 33n),
      'Internal',
      /number of store paths/,
    ],
    [
      'has fields without end',
      new WireWriter().u64(START).u64(1).u64(0).u64(100).text('').u64(1e6),
      'Internal',
      /number of fields/,
    ],
    [
      'has a field of no type',
      new WireWriter().u64(START).u64(1).u64(0).u64(100).text('').u64(1).u64(2).u64(0),
      'Internal',
      /unknown field type 2/,
    ],
    ['ends in between', new WireWriter().u64(LAST).u64(1).text('').text('abc'), 'Unavailable', /was closed/],
  ];
  for (const [name, bytes, code, message] of answers) {
    it(`${name}: ${code}`, async () => {
      await assert.rejects(answering(bytes), { code, message });
    });
  }

  it('fails the request and says why, without terminal escapes', async () => {
    await assert.rejects(answering(errorMessage('\u001b[31;1merror:\u001b[0m no\nsuch path')), {
      name: 'DaemonError',
      message: 'error: no such path',
    });
  });

  it('talks and never answers', async () => {
    await using daemon = await FakeDaemon.start((client) => {
      client.resume();
      client.write(greeting().bytes());
      const talk = (): void => {
        while (client.writable && client.write(log('still here').bytes()));
      };
      client.on('drain', talk);
      talk();
    });
    const connection = await open(daemon);
    let heard = 0;
    const onLog = (): void => void (heard += 1);
    await assert.rejects(
      connection.ask(isValidPath(PATH), { onLog, limits: { ...SHORT, silenceMs: 5000 } }),
      {
        code: 'Internal',
        message: /more than 1000 log messages/,
      },
    );
    assert.equal(heard, 1000);
    assert.equal(connection.usable, false);
  });

  it('takes longer than it may in all, byte by byte', async () => {
    await using daemon = await FakeDaemon.start((client) => {
      client.resume();
      client.write(greeting().bytes());
      const timer = setInterval(() => client.write(Buffer.alloc(1, 1)), 5);
      client.on('close', () => clearInterval(timer));
    });
    const connection = await open(daemon);
    const limits = { silenceMs: 5000, totalMs: 30, messages: 10 };
    await assert.rejects(connection.ask(isValidPath(PATH), { limits }), { code: /Unavailable|Internal/ });
  });

  it('is left when nobody waits any more', async () => {
    const left = Promise.withResolvers<unknown>();
    await using daemon = await FakeDaemon.start((client) => {
      client.resume();
      client.write(greeting().bytes());
      left.resolve(once(client, 'close'));
    });
    const connection = await open(daemon);
    const stop = new AbortController();
    const asked = connection.ask(isValidPath(PATH), { signal: stop.signal });
    stop.abort();
    await assert.rejects(asked, { code: 'Cancelled', message: /IsValidPath was stopped/ });
    await left.promise;
  });

  it('leaves an error, and nothing that hangs, wherever it cuts or spoils a proper answer', async () => {
    const proper = Buffer.concat([
      greeting().bytes(),
      log('a line')
        .u64(START)
        .u64(1)
        .u64(3)
        .u64(100)
        .text('copying')
        .u64(2)
        .u64(0)
        .u64(5)
        .u64(1)
        .text('x')
        .u64(0)
        .bytes(),
      new WireWriter().u64(LAST).texts([PATH]).bytes(),
    ]);
    const spoiled = fc.record({
      cut: fc.integer({ min: 0, max: proper.length }),
      at: fc.integer({ min: 0, max: proper.length - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(spoiled, async ({ cut, at, byte }) => {
        const bytes = Buffer.from(proper);
        bytes[at] = byte;
        await using daemon = await FakeDaemon.sending(bytes.subarray(0, cut));
        try {
          const connection = await open(daemon, { limits: { ...SHORT, silenceMs: 5000 } });
          const valid = await connection.ask(queryValidPaths([PATH]));
          assert.ok(valid.length <= 1);
          await connection.close();
        } catch (error) {
          assert.ok(error instanceof StatusError || error instanceof DaemonError, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});
