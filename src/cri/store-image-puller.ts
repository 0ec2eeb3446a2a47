import pLimit from 'p-limit';
import { storePathName } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { type ContainerdSession, openSession } from '../image/containerd-session.ts';
import { type Descriptor, MEDIA } from '../image/descriptor.ts';
import { type ImportOptions, importImage, nameImage } from '../image/import-image.ts';
import type { NixStore } from '../nix/store.ts';
import { waitFor } from '../nix/wait-for.ts';
import type { RpcClient } from '../rpc/client.ts';
import type { ImageLease } from '../store-image/image-cache.ts';
import type { StoreReference } from '../store-image/image-reference.ts';
import { judgedImage } from '../store-image/judged-image.ts';
import type { NodeImages } from '../store-image/node-images.ts';
import type { Resolver } from '../store-image/resolver.ts';
import type { ServedImage } from '../store-image/served-image.ts';
import { servedReader } from '../store-image/served-reader.ts';
import type { ImageBackend } from './backend.ts';
import { askedName, namesOf } from './image-names.ts';
import { type PresentImage, PresentImages } from './present-images.ts';
import { hasNames, shown } from './shown-image.ts';

export interface PullerOptions extends ImportOptions {
  /** containerd's socket. */
  readonly address: string;
}

export interface PullerDeps {
  readonly resolver: Pick<Resolver, 'judge'>;
  readonly images: Pick<NodeImages, 'resolve'>;
  readonly nix: Pick<NixStore, 'valid'>;
  readonly backend: Pick<ImageBackend, 'status' | 'explain'>;
  /** containerd, in {@link NAMESPACE}. */
  readonly containerd: RpcClient;
}

/** The namespace that containerd's CRI looks for images in. */
export const NAMESPACE = 'k8s.io';
/** Marks an image that CRI takes for its own (containerd `internal/cri/labels`). Nothing is pinned: the kubelet may remove it. */
const MANAGED = { 'io.cri-containerd.image': 'managed' };
const ASKING = { door: 'image-service' } as const;
/** Images that are brought into containerd at a time; each copies blobs and unpacks layers. */
const IMPORTS = 4;

/** Pulls store paths: realises them, brings the image that they are into containerd, and waits until CRI shows it. */
export class StoreImagePuller implements AsyncDisposable {
  readonly #options: PullerOptions;
  readonly #deps: PullerDeps;
  readonly #present: PresentImages;
  readonly #limit = pLimit(IMPORTS);
  /** What is being brought in, by the name that was asked for and the digest that it stands for. */
  readonly #flights = new Map<string, Promise<string>>();
  readonly #closing = new AbortController();

  constructor(options: PullerOptions, deps: PullerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#present = new PresentImages(options, deps);
  }

  /**
   * @returns the image's id: the digest of its config.
   * @throws StatusError what realising raises; NotFound when the reference's digest is no part of the image; Unavailable when
   *   containerd is away; Cancelled when the caller has gone (the realise goes on, and a retry joins it).
   */
  async pull(reference: StoreReference, signal: AbortSignal): Promise<string> {
    const { resolver, images } = this.#deps;
    const present = await this.#find(reference, signal);
    if (present !== undefined) {
      const subject = { ...ASKING, image: judgedPresent(reference, present) };
      await resolver.judge(present.paths, subject, signal);
      return await this.#show(reference, present, signal);
    }
    const lease = await images.resolve(reference.wanted, signal, ASKING);
    return await this.#import(reference, lease, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(
      new StatusError('Unavailable', 'the snapshotter is stopping; try again when it runs'),
    );
    await Promise.allSettled(this.#flights.values());
  }

  /** The image if it is there with every store path that it needs. */
  async #find(reference: StoreReference, signal: AbortSignal): Promise<PresentImage | undefined> {
    const { nix, backend } = this.#deps;
    let present: PresentImage | undefined;
    try {
      present = await this.#present.find(askedName(reference), reference.digest, { signal });
    } catch (error) {
      throw backend.explain(error);
    }
    if (present === undefined) return undefined;
    const { wanted } = reference;
    const { paths } = present;
    // The layer of a path that is run as it is names the closure of that path, which is valid as a whole or not at all.
    const needed = wanted.kind === 'path' && paths.includes(wanted.path) ? [wanted.path] : paths;
    const valid = await nix.valid(needed);
    return needed.every((path) => valid.has(path)) ? present : undefined;
  }

  /** The id of an image that is there, as soon as CRI shows it, which it does unless it was away. */
  async #show(reference: StoreReference, present: PresentImage, signal: AbortSignal): Promise<string> {
    const names = namesOf(reference, present.target.digest, present.id);
    const image = await this.#deps.backend.status(names.asked, { signal });
    if (image !== undefined && hasNames(image, names)) return image.id;
    const flight = this.#fly(
      names.asked,
      present.target,
      async (session) => await this.#name(session, reference, present),
    );
    return await waitFor(flight, { signal }, () => `pull of ${names.asked}`);
  }

  async #import(reference: StoreReference, lease: ImageLease, signal: AbortSignal): Promise<string> {
    using handed = new DisposableStack();
    handed.use(lease);
    const asked = askedName(reference);
    const target = targetOf(reference, lease.image);
    const flight = this.#fly(asked, target, async (session) => {
      const { manifest } = await importImage(session, servedReader(lease.image), target, this.#options);
      return await this.#name(session, reference, { target, id: manifest.config.digest });
    });
    // The caller may go; what the import reads stays open until its end.
    const kept = handed.move();
    flight.then(
      () => kept.dispose(),
      () => kept.dispose(),
    );
    return await waitFor(flight, { signal }, () => `pull of ${asked}`);
  }

  /** Joins what brings in the same image under the same name, or starts it. */
  #fly(
    name: string,
    { digest }: Descriptor,
    work: (session: ContainerdSession) => Promise<string>,
  ): Promise<string> {
    const key = `${name} ${digest}`;
    const running = this.#flights.get(key);
    if (running !== undefined) return running;
    const { signal } = this.#closing;
    const flight = this.#limit(async () => {
      try {
        await using session = await openSession({ ...this.#options, namespace: NAMESPACE, signal });
        return await work(session);
      } catch (error) {
        throw signal.aborted ? signal.reason : this.#deps.backend.explain(error);
      } finally {
        this.#flights.delete(key);
      }
    });
    this.#flights.set(key, flight);
    return flight;
  }

  /** Gives an image the names that CRI would, and waits until CRI knows them. */
  async #name(
    session: ContainerdSession,
    reference: StoreReference,
    { target, id }: Pick<PresentImage, 'target' | 'id'>,
  ): Promise<string> {
    const { signal } = this.#closing;
    const names = namesOf(reference, target.digest, id);
    const give = async () => {
      for (const name of names.all) await nameImage(session, name, target, MANAGED);
    };
    await give();
    const status = async (image: string) => await this.#deps.backend.status(image, { signal });
    return await shown(names, { status, remind: give, signal });
  }
}

/** What rules call an image that is there; a hash stands for the path of it that the image names, if it does. */
function judgedPresent({ wanted }: StoreReference, { paths }: PresentImage): string | undefined {
  if (wanted.kind !== 'hash') return judgedImage(wanted);
  const path = paths.find((each) => storePathName(each).startsWith(wanted.hash));
  return path === undefined ? undefined : judgedImage({ kind: 'path', path });
}

/** What the reference stands for: the image, or the one of its manifests that the digest names. */
function targetOf({ name, digest }: StoreReference, { target, blobs }: ServedImage): Descriptor {
  if (digest === undefined || digest === target.descriptor.digest) return target.descriptor;
  const descriptor = blobs.get(digest)?.descriptor;
  if (descriptor !== undefined && MANIFEST_TYPES.has(descriptor.mediaType)) return descriptor;
  throw new StatusError(
    'NotFound',
    `${name}@${digest}: this is no manifest of the image, whose digest is ${target.descriptor.digest}`,
  );
}

const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MEDIA.ociManifest,
  MEDIA.ociIndex,
  MEDIA.dockerManifest,
  MEDIA.dockerIndex,
]);
