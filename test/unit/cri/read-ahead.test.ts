import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { CLOSURE_ANNOTATION, type LayerClosure } from '../../../src/closure/annotations.ts';
import { LAYERED_CLOSURE_ANNOTATION, LAYERED_PATHS_ANNOTATION } from '../../../src/closure/layered.ts';
import { ReadAhead } from '../../../src/cri/read-ahead.ts';
import { StatusError } from '../../../src/errors.ts';
import { encodeJson, MEDIA, sha256 } from '../../../src/image/descriptor.ts';
import { silentLog } from '../../../src/log.ts';
import { createRpcClient } from '../../../src/rpc/client.ts';
import { temporaryDirectory } from '../rpc/rig.ts';

const PATH = `/nix/store/${'0'.repeat(32)}-closure`;
const BLOB = { mediaType: MEDIA.ociLayer, digest: sha256(Buffer.from('x')), size: 1 };
const LAYER = { ...BLOB, annotations: { [CLOSURE_ANNOTATION]: PATH } };
const HELD = `/nix/store/${'1'.repeat(32)}-held`;
const LAYERED = {
  ...BLOB,
  annotations: { [LAYERED_CLOSURE_ANNOTATION]: HELD, [LAYERED_PATHS_ANNOTATION]: '0' },
};
const MANIFEST = encodeJson({ config: BLOB, layers: [LAYER, LAYERED] });
const platform = { os: 'linux', architecture: 'amd64' };

/** A registry with one image, asked ahead of a containerd that is away. */
async function rig(t: TestContext) {
  const asked: string[] = [];
  const server = createServer(({ method, headers }, response) => {
    asked.push(`${method} ${headers.authorization ?? 'nobody'}`);
    if (headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    } else {
      response.writeHead(200, { 'docker-content-digest': sha256(MANIFEST) });
      response.end(method === 'HEAD' ? undefined : MANIFEST);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const directory = await temporaryDirectory();
  const containerd = createRpcClient({ address: join(directory.path, 'absent.sock') });
  t.after(async () => {
    server.close();
    containerd.close();
    await directory[Symbol.asyncDispose]();
  });
  const realised: LayerClosure[] = [];
  const failures: (StatusError | undefined)[] = [];
  const resolver = {
    async realise(closures: readonly LayerClosure[]) {
      const failure = failures.pop();
      if (failure !== undefined) throw failure;
      realised.push(...closures);
    },
  };
  const readAhead = new ReadAhead({ platform }, { resolver, containerd, log: silentLog });
  const image = `127.0.0.1:${(server.address() as AddressInfo).port}/app:1`;
  return { readAhead, image, asked, realised, failures, server };
}

const { signal } = new AbortController();
const auth = {
  username: 'u',
  password: 'p',
  auth: '',
  server_address: '',
  identity_token: '',
  registry_token: '',
};

it('realises what the layers name, with the login of the request', async (t) => {
  const { readAhead, image, asked, realised } = await rig(t);
  await readAhead.realise(image, auth, signal);
  assert.deepEqual(
    realised.map((closure) => closure.kind === 'closure-info' && closure.path),
    [PATH, HELD],
  );
  const login = `Basic ${Buffer.from('u:p').toString('base64')}`;
  assert.deepEqual(asked, ['HEAD nobody', `HEAD ${login}`, `GET ${login}`]);
});

it('fails with the image named when a path cannot be had', async (t) => {
  const { readAhead, image, failures } = await rig(t);
  failures.push(new StatusError('FailedPrecondition', `${PATH}: no cache has it`));
  await assert.rejects(readAhead.realise(image, auth, signal), {
    code: 'FailedPrecondition',
    message: `image ${image}: ${PATH}: no cache has it`,
  });
});

it('leaves to containerd what its layers hold and no cache has', async (t) => {
  const { readAhead, image, realised, failures } = await rig(t);
  // The last is the first to be thrown: what Nix layers name can be had.
  failures.push(new StatusError('FailedPrecondition', `${HELD}: no cache has it`), undefined);
  await readAhead.realise(image, auth, signal);
  assert.deepEqual(realised, [{ kind: 'closure-info', path: PATH }]);
});

it('leaves to containerd what it may not read or cannot reach, and asks no dead registry again', async (t) => {
  const { readAhead, image, asked, realised, server } = await rig(t);
  await readAhead.realise(image, null, signal);
  await readAhead.realise('not a reference', null, signal);
  assert.deepEqual(realised, []);
  assert.deepEqual(asked, ['HEAD nobody']);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  await readAhead.realise(image, auth, signal);
  server.listen(Number(/:(\d+)\//.exec(image)?.[1]), '127.0.0.1');
  await once(server, 'listening');
  await readAhead.realise(image, auth, signal);
  assert.deepEqual(realised, []);
});

it('ends with its caller', async (t) => {
  const { readAhead, image } = await rig(t);
  const gone = AbortSignal.abort(new StatusError('Cancelled', 'gone'));
  await assert.rejects(readAhead.realise(image, auth, gone), { code: 'Cancelled' });
});
