import { randomUUID } from 'node:crypto';
import { StatusError } from '../../src/errors.ts';
import { BUSYBOX_IMAGE, busyboxArchive } from '../fixtures/images.ts';
import { deletePaths } from '../fixtures/packages.ts';
import type { Cri } from '../integration/support/cri.ts';
import type { Rig } from '../integration/support/rig.ts';
import type { Operations } from './operations.ts';

export const RUN_BESIDE = 'ctr run of a ready image beside a realise that does not end';

const NAMESPACE = 'beside';

/** A pull whose cache says nothing until it is told to. */
export interface SlowRealise {
  /** Runs a container of an image that is ready. */
  run(): Promise<void>;
  /** The cache answers; the pull succeeds. */
  end(): Promise<void>;
}

/** Imports the image that is ready; it stays. */
export async function importReady(rig: Rig): Promise<void> {
  const flags = ['-n', NAMESPACE, 'image', 'import', '--snapshotter', 'nix'];
  await rig.containerd.ctr([...flags, await busyboxArchive(rig.node)]);
}

/** Begins a pull by CRI of a store path whose archive the cache holds back. */
export async function beginSlowRealise(
  { node, cache, containerd }: Rig,
  cri: Cri,
  operations: Operations,
): Promise<SlowRealise> {
  const file = `/tmp/slow-${randomUUID()}`;
  await node.writeFile(file, file);
  const path = (await node.exec(['nix-store', '--add', file])).stdout;
  await node.exec(['rm', file]);
  await cache.add([path]);
  await deletePaths(node, [path]);
  const info = await node.readFile(
    `${cache.dir}/${path.slice('/nix/store/'.length).split('-', 1)[0]}.narinfo`,
  );
  await cache.setFaults([{ match: /^URL: (.*)$/m.exec(info)?.[1] ?? '', hold: true }]);
  const image = `nix:0${path}:latest`;
  const pulling = pullAgain(cri, image);
  pulling.catch(() => {});
  let runs = 0;
  return {
    async run() {
      runs += 1;
      await operations.time(RUN_BESIDE, async () => {
        const flags = ['run', '--rm', '--snapshotter', 'nix'];
        await containerd.ctr(['-n', NAMESPACE, ...flags, BUSYBOX_IMAGE, `beside-${runs}`, 'true']);
      });
    },
    async end() {
      await cache.setFaults([]);
      await pulling;
      await cri.remove(image);
    },
  };
}

/** As the kubelet does after a deadline. */
async function pullAgain(cri: Cri, image: string): Promise<void> {
  for (;;) {
    try {
      await cri.pull(image);
      return;
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 'DeadlineExceeded') throw error;
    }
  }
}
