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

  get gcRoots(): string {
    return join(this.root, 'gcroots');
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
