import { Readable } from 'node:stream';
import { StatusError } from '../errors.ts';
import { type Descriptor, MAX_JSON_BYTES, MEDIA, sha256 } from './descriptor.ts';
import type { BlobReader } from './image-set.ts';
import type { RegistryTransport } from './registry-transport.ts';
import { responseBytes } from './response-text.ts';

const MANIFEST_TYPES = [MEDIA.ociIndex, MEDIA.ociManifest, MEDIA.dockerIndex, MEDIA.dockerManifest];

/** Uploads begun for one blob. */
const UPLOAD_TRIES = 4;

/** One repository of an OCI registry (distribution specification 1.1). Errors: see RegistryTransport. */
export class Registry {
  readonly #transport: RegistryTransport;

  constructor(deps: { transport: RegistryTransport }) {
    this.#transport = deps.transport;
  }

  async hasBlob(digest: string): Promise<boolean> {
    return this.#has(`blobs/${digest}`, `HEAD blob ${digest}`, {});
  }

  async hasManifest(reference: string, mediaType: string): Promise<boolean> {
    return this.#has(`manifests/${reference}`, `HEAD manifest ${reference}`, { accept: mediaType });
  }

  /** The digest that a tag stands for; undefined where the registry does not say. Docker Hub does not count it as a pull. */
  async digestOf(tag: string, { tries }: { readonly tries?: number } = {}): Promise<string | undefined> {
    const answer = await this.#transport.send(this.#transport.url(`manifests/${tag}`), {
      method: 'HEAD',
      headers: { accept: MANIFEST_TYPES.join(', ') },
      ...(tries === undefined ? {} : { tries }),
    });
    if (answer.ok) return answer.headers.get('docker-content-digest') ?? undefined;
    throw await this.#transport.error(answer, `HEAD manifest ${tag}`);
  }

  /**
   * A manifest or index; one that is asked for by its digest is verified.
   *
   * @param reference tag or digest.
   * @throws StatusError ResourceExhausted when it is too long, DataLoss when it is not what the digest says.
   */
  async manifest(reference: string, { tries }: { readonly tries?: number } = {}): Promise<Buffer> {
    const what = `manifest ${reference}`;
    const answer = await this.#transport.send(this.#transport.url(`manifests/${reference}`), {
      method: 'GET',
      headers: { accept: MANIFEST_TYPES.join(', ') },
      ...(tries === undefined ? {} : { tries }),
    });
    if (!answer.ok) throw await this.#transport.error(answer, what);
    const bytes = await responseBytes(answer, MAX_JSON_BYTES);
    if (bytes === undefined)
      throw new StatusError('ResourceExhausted', `${what}: has more than ${MAX_JSON_BYTES} bytes`);
    if (reference.startsWith('sha256:') && sha256(bytes) !== reference)
      throw new StatusError('DataLoss', `${what}: the registry sent ${sha256(bytes)}`);
    return bytes;
  }

  /**
   * Uploads a blob in one piece, streamed; one that is there is left alone. An upload that breaks off is begun anew.
   *
   * @returns whether it was sent.
   */
  async pushBlob(blobs: BlobReader, descriptor: Descriptor): Promise<boolean> {
    if (await this.hasBlob(descriptor.digest)) return false;
    for (let tries = 1; ; tries++) {
      const failure = await this.#upload(blobs, descriptor);
      if (failure === undefined) return true;
      if (failure.code !== 'Unavailable' || tries === UPLOAD_TRIES) throw failure;
      await this.#transport.pause(tries);
    }
  }

  async #upload(blobs: BlobReader, { digest, size, ...rest }: Descriptor): Promise<StatusError | undefined> {
    const started = await this.#transport.send(this.#transport.url('blobs/uploads/'), {
      method: 'POST',
      headers: { 'content-length': '0' },
    });
    const location = started.headers.get('location');
    if (started.status !== 202 || location === null)
      return this.#transport.error(started, 'start of an upload');
    await started.body?.cancel();
    const url = this.#transport.url(location);
    url.searchParams.set('digest', digest);
    try {
      const answer = await this.#transport.send(url, {
        method: 'PUT',
        tries: 1,
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
        body: async () => Readable.toWeb(await blobs.open({ ...rest, digest, size })) as ReadableStream,
      });
      if (answer.status !== 201) return await this.#transport.error(answer, `upload of blob ${digest}`);
      await answer.body?.cancel();
      return undefined;
    } catch (error) {
      if (error instanceof StatusError) return error;
      throw error;
    }
  }

  /**
   * Puts a manifest or index under a tag or its digest.
   *
   * @throws StatusError DataLoss when the registry computed another digest.
   */
  async pushManifest(reference: string, descriptor: Descriptor, bytes: Buffer): Promise<void> {
    const answer = await this.#transport.send(this.#transport.url(`manifests/${reference}`), {
      method: 'PUT',
      headers: { 'content-type': descriptor.mediaType },
      body: async () => new Uint8Array(bytes),
    });
    if (answer.status !== 201) throw await this.#transport.error(answer, `put of manifest ${reference}`);
    await answer.body?.cancel();
    const stored = answer.headers.get('docker-content-digest');
    if (stored !== null && stored !== descriptor.digest) {
      throw new StatusError('DataLoss', `manifest ${descriptor.digest}: the registry stored it as ${stored}`);
    }
  }

  async #has(path: string, what: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
    const answer = await this.#transport.send(this.#transport.url(path), { method: 'HEAD', headers });
    if (answer.status === 404) return false;
    if (answer.ok) return true;
    throw await this.#transport.error(answer, what);
  }
}
