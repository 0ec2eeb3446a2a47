import { join } from 'node:path';

/**
 * Where things lie below the daemon's root. Every snapshot's layer is `snapshots/<decimal id>/fs`: one common parent
 * directory for all lower directories, which containerd's mounter needs to shorten long option strings
 * (containerd `core/mount/mount_linux.go`, compactLowerdirOption).
 */
export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get metadata(): string {
    return join(this.root, 'metadata');
  }

  get snapshots(): string {
    return join(this.root, 'snapshots');
  }

  /** Names the run of the host during which the daemon was started last. */
  get boot(): string {
    return join(this.root, 'boot');
  }

  get gcRoots(): string {
    return join(this.root, 'gcroots');
  }

  /** GC roots of what the resolver has realised and no snapshot needs yet. */
  get pulledRoots(): string {
    return join(this.root, 'pulled');
  }

  /** Digests of the layers that the resolver makes of store paths; may be lost. */
  get layerDigests(): string {
    return join(this.root, 'layer-digests');
  }

  /** What clients show to the resolver. */
  get resolverToken(): string {
    return join(this.root, 'resolver-token');
  }

  /**
   * Views lie outside {@link snapshots}: an overlay mount below the parent of layers makes id-mapped clones of it fail (EINVAL).
   */
  get views(): string {
    return join(this.root, 'views');
  }

  /** What lies above views that somebody else made. */
  get viewCover(): string {
    return join(this.root, 'view-cover');
  }

  /** What user-namespaced containers see of {@link root} and of the store, by id mapping. */
  get mapped(): string {
    return join(this.root, 'mapped');
  }

  directory(id: number): string {
    return join(this.snapshots, String(id));
  }

  fs(id: number): string {
    return join(this.snapshots, String(id), 'fs');
  }

  work(id: number): string {
    return join(this.snapshots, String(id), 'work');
  }
}
