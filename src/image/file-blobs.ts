import { Readable } from 'node:stream';
import { StatusError } from '../errors.ts';
import { type Descriptor, MAX_JSON_BYTES } from './descriptor.ts';
import { Verifier } from './digest.ts';
import type { FileSet } from './file-set.ts';
import type { BlobReader } from './image-set.ts';

/** Blobs kept as files of a file set, or in memory. */
export class FileBlobs implements BlobReader {
  readonly path: string;
  readonly #files: FileSet;
  readonly #fileOf: (digest: string) => string | undefined;
  readonly #memory: ReadonlyMap<string, Buffer>;

  /**
   * @param fileOf the file that holds a blob, by digest.
   * @param memory blobs that are not in a file, by digest.
   */
  constructor(
    options: {
      fileOf: (digest: string) => string | undefined;
      memory?: ReadonlyMap<string, Buffer>;
    },
    deps: { files: FileSet },
  ) {
    this.path = deps.files.path;
    this.#files = deps.files;
    this.#fileOf = options.fileOf;
    this.#memory = options.memory ?? new Map();
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    const file = this.#fileOf(descriptor.digest);
    return (
      this.#memory.has(descriptor.digest) ||
      (file !== undefined && (await this.#files.size(file)) !== undefined)
    );
  }

  async open(descriptor: Descriptor): Promise<Readable> {
    const bytes = this.#memory.get(descriptor.digest);
    if (bytes !== undefined) return verified(Readable.from([bytes]), descriptor, this.path);
    const file = this.#fileOf(descriptor.digest);
    if (file === undefined || (await this.#files.size(file)) === undefined) {
      throw new StatusError('NotFound', `${this.path}: blob ${descriptor.digest} is missing from it`);
    }
    return verified(await this.#files.open(file), descriptor, `${this.path}: entry ${file}`);
  }

  async read(descriptor: Descriptor): Promise<Buffer> {
    if (descriptor.size > MAX_JSON_BYTES) {
      throw new StatusError(
        'ResourceExhausted',
        `${this.path}: blob ${descriptor.digest} (${descriptor.mediaType}) is ${descriptor.size} bytes, ` +
          `more than ${MAX_JSON_BYTES}`,
      );
    }
    const chunks: Buffer[] = [];
    for await (const chunk of await this.open(descriptor)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }
}

function verified(source: Readable, descriptor: Descriptor, where: string): Readable {
  const verifier = new Verifier(descriptor, where);
  source.on('error', (error) => verifier.destroy(error));
  verifier.on('close', () => source.destroy());
  return source.pipe(verifier);
}
