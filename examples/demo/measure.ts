import { stat } from 'node:fs/promises';
import type { BinaryCache } from '../../test/fixtures/binary-cache.ts';
import { closureOf } from '../../test/fixtures/packages.ts';
import type { Sandbox } from '../../test/sandbox/sandbox.ts';

export interface ClosureSize {
  /** Store paths of the closure, sorted. */
  readonly paths: readonly string[];
  /** Sum of their NAR sizes. */
  readonly bytes: number;
}

/** The closure of valid store paths and its size. */
export async function measureClosure(node: Sandbox, roots: readonly string[]): Promise<ClosureSize> {
  const paths = await closureOf(node, roots);
  const { stdout } = await node.exec(['nix-store', '--query', '--size', ...paths]);
  return { paths, bytes: stdout.split('\n').reduce((sum, line) => sum + Number(line), 0) };
}

export interface Download {
  /** Store paths fetched. */
  readonly paths: number;
  /** Bytes on the wire, compressed. */
  readonly bytes: number;
}

/** Tells what was fetched from a cache since the last time it was asked. */
export class DownloadMeter {
  #seen = 0;
  readonly #cache: BinaryCache;
  readonly #node: Sandbox;

  constructor(_options: object, deps: { cache: BinaryCache; node: Sandbox }) {
    this.#cache = deps.cache;
    this.#node = deps.node;
  }

  async sinceLast(): Promise<Download> {
    const requests = await this.#cache.requests();
    const fetched = requests.slice(this.#seen).filter((r) => r.status === 200 && r.path.startsWith('/nar/'));
    this.#seen = requests.length;
    let bytes = 0;
    for (const { path } of fetched) bytes += (await stat(this.#node.hostPath(this.#cache.dir + path))).size;
    return { paths: fetched.length, bytes };
  }
}
