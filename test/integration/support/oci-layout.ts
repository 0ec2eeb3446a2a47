import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { type LayerEntry, layerTar } from '../../fixtures/oci-archive.ts';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

interface Manifest {
  config: Descriptor;
  layers: Descriptor[];
}

interface Config {
  config?: Record<string, unknown>;
  rootfs: { diff_ids: string[] };
  history?: object[];
}

/** An OCI layout on the host with one image, opened to be changed by hand. */
export class OciLayout {
  readonly dir: string;

  constructor(options: { dir: string }) {
    this.dir = options.dir;
  }

  /** The image's manifest. */
  async manifest(): Promise<Manifest> {
    return await this.#read<Manifest>(await this.#target());
  }

  /** Puts an ordinary layer on top of the image. */
  async appendLayer(entries: readonly LayerEntry[]): Promise<void> {
    const manifest = await this.manifest();
    const config = await this.#read<Config>(manifest.config);
    const tar = await layerTar(entries);
    config.rootfs.diff_ids.push(digestOf(tar));
    config.history?.push({ created_by: 'test' });
    manifest.config = await this.#write(manifest.config.mediaType, json(config));
    manifest.layers.push(await this.#write('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar)));
    await this.#replace(manifest);
  }

  /** Sets keys of the image config's `config`. */
  async configure(settings: Readonly<Record<string, unknown>>): Promise<void> {
    const manifest = await this.manifest();
    const config = await this.#read<Config>(manifest.config);
    config.config = { ...config.config, ...settings };
    manifest.config = await this.#write(manifest.config.mediaType, json(config));
    await this.#replace(manifest);
  }

  /** Gives each layer's annotations anew. */
  async annotateLayers(
    change: (annotations: Readonly<Record<string, string>>) => Promise<Record<string, string>>,
  ): Promise<void> {
    const manifest = await this.manifest();
    for (const layer of manifest.layers) layer.annotations = await change(layer.annotations ?? {});
    await this.#replace(manifest);
  }

  /** Values of an annotation, the lowest layer first. */
  async annotations(name: string): Promise<readonly string[]> {
    return (await this.manifest()).layers.flatMap(({ annotations }) => annotations?.[name] ?? []);
  }

  async #target(): Promise<Descriptor> {
    const index = JSON.parse(await readFile(`${this.dir}/index.json`, 'utf8')) as { manifests: Descriptor[] };
    const [target] = index.manifests;
    if (target === undefined) throw new Error(`${this.dir} holds no image`);
    return target;
  }

  async #replace(manifest: Manifest): Promise<void> {
    const index = JSON.parse(await readFile(`${this.dir}/index.json`, 'utf8')) as { manifests: Descriptor[] };
    const target = await this.#target();
    const { digest, size } = await this.#write(target.mediaType, json(manifest));
    index.manifests = [{ ...target, digest, size }];
    await writeFile(`${this.dir}/index.json`, json(index));
  }

  async #read<T>({ digest }: Descriptor): Promise<T> {
    return JSON.parse(await readFile(this.#file(digest), 'utf8')) as T;
  }

  async #write(mediaType: string, blob: Buffer): Promise<Descriptor> {
    const digest = digestOf(blob);
    await writeFile(this.#file(digest), blob);
    return { mediaType, digest, size: blob.length };
  }

  #file(digest: string): string {
    return `${this.dir}/blobs/${digest.replace(':', '/')}`;
  }
}

function digestOf(blob: Buffer): string {
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
