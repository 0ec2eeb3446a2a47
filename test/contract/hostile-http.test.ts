import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { serveRegistry, type TestRegistry, TOKEN } from './distribution/registry.ts';

const AUTHORIZATION = `Authorization: Bearer ${TOKEN}\r\n`;
/** Long enough for a client of this machine under load. */
const REQUEST_TIMEOUT_MS = 3000;

describe('the registry, asked by nobody good', () => {
  let registry: TestRegistry;
  let repository = '';
  before(async () => {
    registry = await serveRegistry({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
    repository = registry.repositories[2] ?? '';
  });
  after(async () => await registry[Symbol.asyncDispose]());
  const dial = (): Socket => connect(registry.port, '127.0.0.1');
  /** All that comes back until the server closes the connection. */
  const say = async (bytes: string): Promise<string> => {
    const socket = dial();
    socket.write(Buffer.from(bytes, 'latin1'));
    return await text(socket);
  };
  /** What came back until the connection ended; who is still writing when the server closes it sees it reset. */
  const untilEnded = async (socket: Socket): Promise<string> => {
    let answer = '';
    socket.setEncoding('latin1').on('data', (data: string) => {
      answer += data;
    });
    const ended = Promise.withResolvers<void>();
    socket.once('error', () => ended.resolve()).once('close', () => ended.resolve());
    await ended.promise;
    return answer;
  };
  const get = (target: string, headers = '') =>
    say(`GET ${target} HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}Connection: close\r\n${headers}\r\n`);
  const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  const assertAlive = async () => assert.equal(statusOf(await get('/v2/')), 200);

  it('names no path outside the store, however it is spelled', async () => {
    const name = repository.slice('layers/'.length);
    for (const target of [
      '/v2/%2e%2e/%2e%2e/etc/passwd/manifests/latest',
      '/v2/../../etc/passwd/manifests/latest',
      '/v2/layers/../../etc/passwd/manifests/latest',
      `/v2/layers/%2e%2e/${name}/manifests/latest`,
      `/v2/nix%2fstore%2f${name}/manifests/latest`,
      `/v2//${name}/manifests/latest`,
      `/v2/layers//${name}/manifests/latest`,
      `/v2/${name}//manifests/latest`,
      `/v2/${name}%00/manifests/latest`,
      `/v2/${name}/../${name}/manifests/latest`,
      `/v2/LAYERS/${name}/manifests/latest`,
    ])
      assert.equal(statusOf(await get(target)), 400, target);
    for (const target of [`/v2/${name}/manifests/..`, `/v2/${name}/manifests/%2e%2e`])
      assert.equal(statusOf(await get(target)), 400, target);
    for (const target of ['*', 'http://evil.example/v2/', '//evil.example/v2/', '/V2/', '/v2/_catalog'])
      assert.equal(statusOf(await get(target)), 405, target);
  });

  it('refuses every method but GET and HEAD', async () => {
    for (const method of METHODS.filter((each) => each !== 'GET' && each !== 'HEAD' && each !== 'CONNECT')) {
      const answer = await say(
        `${method} /v2/ HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}Connection: close\r\n\r\n`,
      );
      assert.ok([400, 405].includes(statusOf(answer)), `${method}: ${answer.slice(0, 100)}`);
    }
    assert.equal(await say(`CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}\r\n`), '');
  });

  it('refuses requests whose end is a matter of opinion', async () => {
    const hidden = `GET /v2/ HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}\r\n`;
    for (const [headers, status] of [
      ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 400],
      ['Content-Length: 5\r\nContent-Length: 6\r\n', 400],
      ['Content-Length: -1\r\n', 400],
      ['Content-Length: 5 5\r\n', 400],
      ['Transfer-Encoding : chunked\r\n', 400],
      ['X: a\r\n folded: b\r\n\0\r\n', 400],
      // What follows counts as its body, to the end of the connection.
      ['Transfer-Encoding: xchunked\r\n', 401],
    ] as const) {
      const answer = await say(`GET /v2/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n${hidden}`);
      assert.equal(statusOf(answer), status, headers);
      assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, headers);
    }
    assert.equal(
      statusOf(await say(`GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)),
      431,
    );
    assert.equal(statusOf(await say(`GET /v2/ HTTP/1.1\r\n${AUTHORIZATION}\r\n`)), 400);
    for (const bytes of [
      '\0\0\0\0\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
    ])
      assert.equal(statusOf(await say(bytes)), 400);
    await assertAlive();
  });

  it('answers a page of another site only that it needs a token, and lets it read nothing', async () => {
    for (const host of ['evil.example', `evil.example:${registry.port}`, 'localhost', '169.254.169.254'])
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await say(
          `${method} /v2/${repository}/manifests/latest HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\n` +
            'Connection: close\r\n\r\n',
        );
        assert.equal(statusOf(answer), 401, host);
        assert.doesNotMatch(answer, /access-control/i);
        assert.doesNotMatch(answer, /schemaVersion/);
      }
  });

  it('sends a blob once at most, whatever ranges are asked for', async () => {
    const manifest = await get(`/v2/${repository}/manifests/latest`);
    const layers = /"layers":(\[.*\])/.exec(manifest)?.[1] ?? '[]';
    const [layer] = JSON.parse(layers) as { digest: string; size: number }[];
    assert.ok(layer);
    for (const [range, status] of [
      ['bytes=0-0,1-1,2-2', 200],
      [`bytes=${Array.from({ length: 1000 }, () => '0-').join(',')}`, 200],
      [`bytes=0-${'9'.repeat(30)}`, 200],
      [`bytes=${'9'.repeat(15)}-`, 416],
      ['bytes=-0', 416],
      ['bytes=5-2', 200],
      ['bytes=a-b', 200],
      ['octets=0-1', 200],
      ['bytes=-999999999999999', 206],
    ] as const) {
      const answer = await get(`/v2/${repository}/blobs/${layer.digest}`, `Range: ${range}\r\n`);
      assert.equal(statusOf(answer), status, range.slice(0, 60));
      assert.ok(answer.length < layer.size * 3 + 2000, range.slice(0, 60));
    }
  });

  it('closes the connection of a client that sends its request slowly', async () => {
    const slow = dial();
    slow.write('GET /v2/ HTTP/1.1\r\n');
    const dripping = setInterval(() => slow.write('X-Drip: y\r\n'), 100);
    const answer = await untilEnded(slow);
    clearInterval(dripping);
    assert.equal(statusOf(answer), 408);
    const body = dial();
    body.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}Content-Length: 1000000\r\n\r\nx`);
    assert.equal(statusOf(await untilEnded(body)), 200);
    await assertAlive();
  });

  it('answers a flood of questions on one connection, in order', async () => {
    const count = 2000;
    const absent = `HEAD /v2/${'1'.repeat(32)}-absent/manifests/latest HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}\r\n`;
    const answers = await say(
      absent.repeat(count) + `GET /v2/ HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}Connection: close\r\n\r\n`,
    );
    assert.equal(answers.match(/HTTP\/1\.1 200 /g)?.length, count + 1);
    await assertAlive();
  });

  it('takes no more connections than it can hold, and goes on', async () => {
    const sockets = Array.from({ length: 1000 }, dial);
    let closed = 0;
    const settled = sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once('error', () => resolve());
          socket.once('close', () => {
            closed += 1;
            resolve();
          });
          socket.once('connect', () => setTimeout(resolve, 500));
        }),
    );
    await Promise.all(settled);
    assert.ok(closed >= 400, `${closed} of 1000 were closed`);
    for (const socket of sockets) socket.destroy();
    for (let tries = 0; ; tries++) {
      try {
        await assertAlive();
        return;
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  });
});
