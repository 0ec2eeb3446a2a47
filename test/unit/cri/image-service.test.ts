import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { ImageBackend } from '../../../src/cri/backend.ts';
import { imageServiceOf } from '../../../src/cri/image-service.ts';
import { imageService } from '../../../src/cri/proto.ts';
import { implement } from '../../../src/rpc/implementation.ts';
import { raw } from '../../../src/rpc/raw.ts';
import type { RpcContext } from '../../../src/rpc/handler.ts';
import type { StoreReference } from '../../../src/store-image/image-reference.ts';
import { type Rig, startRig, temporaryDirectory } from '../rpc/rig.ts';

const STORE_IMAGE = `nix:0/${'0'.repeat(32)}-x`;
/** Field 1000 of no definition, with a text. */
const UNKNOWN = Buffer.from('c23e0474657874', 'hex');

describe('image service in front of another', () => {
  let upstream: Rig;
  let ours: Rig;
  let backend: ImageBackend;
  const received: { readonly method: string; readonly bytes: Buffer; readonly context: RpcContext }[] = [];
  const ahead: { readonly image: string; readonly username: string | undefined }[] = [];
  const pulled: StoreReference[] = [];
  let answer: (bytes: Buffer) => Promise<Buffer> = async (bytes) => bytes;

  before(async () => {
    const take = (method: string) => async (bytes: Buffer, context: RpcContext) => {
      received.push({ method, bytes, context });
      return await answer(bytes);
    };
    const echo = implement(raw(imageService), {
      ListImages: take('ListImages'),
      ImageStatus: take('ImageStatus'),
      PullImage: take('PullImage'),
      RemoveImage: take('RemoveImage'),
      ImageFsInfo: take('ImageFsInfo'),
      async *StreamImages(bytes) {
        yield bytes;
        yield await answer(bytes);
      },
    });
    upstream = await startRig(echo);
    backend = new ImageBackend({ address: upstream.address });
    const puller = {
      async pull(reference: StoreReference) {
        pulled.push(reference);
        return 'sha256:id';
      },
    };
    const readAhead = {
      async realise(image: string, auth: { readonly username: string } | null) {
        if (image === 'refused') throw new StatusError('FailedPrecondition', 'a path is absent');
        ahead.push({ image, username: auth?.username });
      },
    };
    ours = await startRig(imageServiceOf({ backend, puller, readAhead }));
  });
  after(async () => {
    backend[Symbol.dispose]();
    await ours[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const client = () => ours.client.service(raw(imageService));
  const pullRequest = (image: string): Buffer => {
    const codec = imageService.methods.get('PullImage')?.request;
    assert.ok(codec);
    return codec.encode({ image: { image }, auth: { username: 'u' } });
  };

  for (const method of ['ListImages', 'ImageStatus', 'RemoveImage', 'ImageFsInfo'] as const) {
    it(`${method} passes as the bytes that it is, with fields that nobody knows`, async () => {
      assert.deepEqual(await client()[method](UNKNOWN), UNKNOWN);
      assert.equal(received.at(-1)?.method, method);
      assert.deepEqual(received.at(-1)?.bytes, UNKNOWN);
    });
  }

  it('a stream passes message by message', async () => {
    const answers = await Array.fromAsync(client().StreamImages(UNKNOWN));
    assert.deepEqual(answers, [UNKNOWN, UNKNOWN]);
  });

  it('a pull from a registry passes as it is, after what it names was realised', async () => {
    const request = Buffer.concat([pullRequest('docker.io/library/x:1'), UNKNOWN]);
    assert.deepEqual(await client().PullImage(request), request);
    assert.deepEqual(received.at(-1)?.bytes, request);
    assert.deepEqual(ahead.at(-1), { image: 'docker.io/library/x:1', username: 'u' });
  });

  it('a pull whose store paths cannot be had goes no further', async () => {
    const calls = received.length;
    await assert.rejects(client().PullImage(pullRequest('refused')), { code: 'FailedPrecondition' });
    assert.equal(received.length, calls);
  });

  it('a store path is pulled here', async () => {
    const calls = received.length;
    const { image_ref } = await ours.client
      .service(imageService)
      .PullImage({ image: { image: STORE_IMAGE } });
    assert.equal(image_ref, 'sha256:id');
    assert.equal(pulled.at(-1)?.name, STORE_IMAGE);
    assert.equal(received.length, calls);
  });

  it('a request that cannot be read is refused', async () => {
    await assert.rejects(client().PullImage(Buffer.from([0x0a, 0xff])), { code: 'InvalidArgument' });
  });

  it('the deadline and the trace of a call go along', async () => {
    const metadata = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', other: 'x' };
    await client().ListImages(UNKNOWN, { timeoutMs: 60_000, metadata });
    const { context } = received.at(-1) ?? {};
    assert.ok(context?.deadline !== undefined && context.deadline.getTime() <= Date.now() + 60_000);
    assert.deepEqual(context.metadata.get('traceparent'), [metadata.traceparent]);
    assert.deepEqual(context.metadata.get('other'), []);
  });

  it('a caller that goes away is gone for the other side, too', async () => {
    const gone = Promise.withResolvers<unknown>();
    const seen = Promise.withResolvers<void>();
    answer = async (bytes) => {
      const { signal } = received.at(-1)?.context ?? {};
      signal?.addEventListener('abort', () => gone.resolve(signal.reason), { once: true });
      seen.resolve();
      await gone.promise;
      return bytes;
    };
    const caller = new AbortController();
    const call = client().ListImages(UNKNOWN, { signal: caller.signal });
    await seen.promise;
    caller.abort();
    await assert.rejects(call, { code: 'Cancelled' });
    assert.equal(((await gone.promise) as StatusError).code, 'Cancelled');
    answer = async (bytes) => bytes;
  });

  for (const [thrown, expected] of [
    [new StatusError('NotFound', 'no such image'), { code: 'NotFound', message: 'no such image' }],
    [
      new StatusError('Unknown', 'server is not initialized yet'),
      { code: 'Unavailable', message: /rpc\.sock: / },
    ],
    [
      new StatusError('Unavailable', 'later'),
      { code: 'Unavailable', message: /^containerd at .*rpc\.sock: later$/ },
    ],
    [
      new StatusError('Unimplemented', 'unknown service runtime.v1.ImageService'),
      { code: 'Unimplemented', message: /CRI plugin is disabled$/ },
    ],
  ] as const) {
    it(`an answer ${thrown.code} (${thrown.message}) is told so that a reader can act`, async () => {
      answer = async () => {
        throw thrown;
      };
      await assert.rejects(client().ListImages(UNKNOWN), expected);
      answer = async (bytes) => bytes;
    });
  }

  it('a socket that is not there is Unavailable, by name', async () => {
    await using directory = await temporaryDirectory();
    using absent = new ImageBackend({ address: join(directory.path, 'absent.sock') });
    await assert.rejects(absent.status('x', {}), { code: 'Unavailable', message: /absent\.sock/ });
  });
});
