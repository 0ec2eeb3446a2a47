import { chmod, glob, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { loadAccessToken } from '../../../src/resolver/access-token.ts';
import type { Target } from '../../../src/setup/file-change.ts';
import { runSetup } from '../../../src/setup/run.ts';
import type { SetupOptions } from '../../../src/setup/session.ts';

export const MAIN = '/etc/containerd/config.toml';
export const DROP_IN = '/etc/containerd/conf.d/90-nix-snapshotter.toml';
export const HOSTS = '/etc/containerd/certs.d/nix_0_/hosts.toml';
export const AUTH = '/root/.config/containers/auth.json';
export const ROOT = '/var/lib/containerd/io.containerd.snapshotter.v1.nix';
export const OWN_MAIN = 'version = 3\n# mine\n[grpc]\n  address = "/run/containerd/containerd.sock"\n';
export const ALL: readonly Target[] = ['containerd', 'hosts', 'k3s', 'nerdctl', 'podman'];

/** A file tree that setup is run for; each test has a new one. */
export interface FileTree {
  readonly rootDir: string;
  /** Where a path of the tree is on this host. */
  readonly here: (path: string) => string;
  readonly put: (path: string, content: string | Uint8Array, mode?: number) => Promise<void>;
  /** Runs setup as root, and returns what it said. */
  readonly setup: (
    targets: readonly Target[],
    more?: Partial<SetupOptions>,
    loadToken?: (file: string) => Promise<string>,
  ) => Promise<string>;
  /** Mode and text of each file. */
  readonly filesBelow: () => Promise<ReadonlyMap<string, string>>;
}

/** To be called in a `describe`, whose tests get the tree. */
export function fileTree(): FileTree {
  let rootDir = '';
  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'setup-'));
  });
  afterEach(async () => await rm(rootDir, { recursive: true }));

  const here = (path: string) => join(rootDir, path);
  return {
    get rootDir() {
      return rootDir;
    },
    here,
    async put(path, content, mode = 0o644) {
      await mkdir(dirname(here(path)), { recursive: true });
      await writeFile(here(path), content);
      await chmod(here(path), mode);
    },
    async setup(targets, more = {}, loadToken = loadAccessToken) {
      let said = '';
      await runSetup(
        { targets, print: false, dryRun: false, undo: false, rootDir, containerdVersion: '2.3.7', ...more },
        { env: {}, uid: 0, write: (text) => (said += text), loadToken },
      );
      return said;
    },
    async filesBelow() {
      const entries = await Array.fromAsync(glob('**', { cwd: rootDir, withFileTypes: true }));
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      return new Map(
        await Promise.all(
          files.map(
            async (file) => [file, `${(await stat(file)).mode} ${await readFile(file, 'utf8')}`] as const,
          ),
        ),
      );
    },
  };
}
