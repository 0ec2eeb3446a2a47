import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { MetricsServer } from '../../../src/metrics/metrics-server.ts';
import { temporaryDirectory } from '../rpc/rig.ts';

const ANY = { host: '127.0.0.1', port: 0 };

describe('MetricsServer', () => {
  let server: MetricsServer;
  let reason: string | undefined;
  const deps = {
    scrape: async (format: string) => {
      if (reason === 'broken') throw new Error('a secret');
      return `# ${format}\n`;
    },
    whyNotReady: async () => reason,
    log: silentLog,
  };
  before(async () => {
    server = await MetricsServer.listen({ endpoint: ANY }, deps);
  });
  after(() => server[Symbol.asyncDispose]());
  const ask = async (path: string, init: RequestInit = {}) =>
    await fetch(`http://127.0.0.1:${server.port}${path}`, init);

  it('answers a scrape in the format that is asked for', async () => {
    const plain = await ask('/metrics?x=y');
    assert.equal(plain.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(await plain.text(), '# text\n');
    const open = await ask('/metrics', { headers: { accept: 'application/openmetrics-text' } });
    assert.equal(
      open.headers.get('content-type'),
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    assert.equal(await open.text(), '# openmetrics\n');
    const head = await ask('/metrics', { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), '7');
  });

  it('says whether it is ready, and that it lives', async () => {
    assert.equal((await ask('/healthz')).status, 200);
    reason = 'Nix does not answer';
    try {
      const not = await ask('/healthz');
      assert.equal(not.status, 503);
      assert.equal(await not.text(), 'Nix does not answer\n');
      assert.equal((await ask('/livez')).status, 200);
    } finally {
      reason = undefined;
    }
  });

  it('answers nothing else', async () => {
    for (const path of ['/', '/metrics/', '/debug', '//metrics', '/%6detrics'])
      assert.equal((await ask(path)).status, 404, path);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const refused = await ask('/metrics', { method });
      assert.equal(refused.status, 405);
      assert.equal(refused.headers.get('allow'), 'GET, HEAD');
    }
  });

  it('says nothing of what failed', async () => {
    reason = 'broken';
    try {
      const failed = await ask('/metrics');
      assert.equal(failed.status, 500);
      assert.doesNotMatch(await failed.text(), /secret/);
    } finally {
      reason = undefined;
    }
  });

  it('refuses long headers, and gives up who sends no request', async () => {
    const long = await ask('/metrics', { headers: { x: 'x'.repeat(20_000) } });
    assert.equal(long.status, 431);
    await using impatient = await MetricsServer.listen({ endpoint: ANY, requestTimeoutMs: 200 }, deps);
    for (const begun of ['', 'GET /metrics HTTP/1.1\r\n', 'GET /metrics HTTP/1.1\r\nHost: x\r\nX: ']) {
      const slow = connect(impatient.port, ANY.host).on('error', () => {});
      slow.write(begun);
      slow.resume();
      await once(slow, 'close');
    }
  });

  it("listens on a unix socket that is nobody else's, and removes it", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'metrics.sock');
    {
      await using _ = await MetricsServer.listen({ endpoint: { path } }, deps);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      const response = await new Promise<NodeJS.ReadableStream>((resolve) => {
        httpRequest({ socketPath: path, path: '/metrics' }, resolve).end();
      });
      assert.equal(await text(response), '# text\n');
    }
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  it('names the key when the address is in use', async () => {
    const endpoint = { host: '127.0.0.1', port: server.port };
    await assert.rejects(MetricsServer.listen({ endpoint }, deps), {
      code: 'FailedPrecondition',
      message:
        /^metrics: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*; choose another metrics\.address$/,
    });
    await assert.rejects(MetricsServer.listen({ endpoint: { path: '/dev/null' } }, deps), {
      code: 'InvalidArgument',
      message:
        'metrics: cannot listen on /dev/null: /dev/null exists and is not a socket: remove it or choose another metrics.address',
    });
  });
});
