import type { StoreReference } from '../store-image/image-reference.ts';

/** The names under which containerd's CRI keeps one image, as its own PullImage makes them. */
export interface ImageNames {
  /** What a client asks for: with the tag, or with the digest. */
  readonly asked: string;
  readonly tag: string | undefined;
  readonly digest: string;
  /** All of them, in the order in which they are made: the image's id first, which CRI expects of an image that it manages. */
  readonly all: readonly string[];
}

/** The name that a reference asks for, in containerd's normal form. */
export function askedName({ name, tag, digest }: StoreReference): string {
  return digest === undefined ? `${name}:${tag ?? 'latest'}` : `${name}@${digest}`;
}

/**
 * @param image digest of the manifest or index that the reference names.
 * @param id digest of the config.
 */
export function namesOf(reference: StoreReference, image: string, id: string): ImageNames {
  const asked = askedName(reference);
  const digest = `${reference.name}@${image}`;
  const tag = reference.digest === undefined ? asked : undefined;
  return { asked, tag, digest, all: [id, digest, ...(tag === undefined ? [] : [tag])] };
}
