import { StatusError } from '../../src/errors.ts';
import type { Cri, CriPod } from '../integration/support/cri.ts';
import { HOSTS_DIR } from '../integration/support/resolver-hosts.ts';
import type { Rig } from '../integration/support/rig.ts';
import type { SoakImage } from './images.ts';
import type { Operations } from './operations.ts';

/** Pulls, runs and removes images, one after the other. */
export interface SoakClient {
  /** One image: `turn` says which, and is never the same twice. */
  cycle(turn: number): Promise<void>;
}

/** `ctr` in a namespace of its own, which shares nothing with others but bytes. */
export function ctrClient(
  rig: Rig,
  { name, images, operations }: { name: string; images: readonly SoakImage[]; operations: Operations },
): SoakClient {
  const ctr = async (...args: readonly string[]) => await rig.containerd.ctr(['-n', name, ...args]);
  return {
    async cycle(turn) {
      const image = images[turn % images.length];
      if (image === undefined) throw new Error(`${name} has no images`);
      const { kind, reference, command, fromResolver } = image;
      const from = fromResolver ? ['--hosts-dir', HOSTS_DIR] : ['--plain-http'];
      const nix = ['--snapshotter', 'nix'];
      await operations.time(`ctr pull: ${kind}`, async () => {
        await ctr('image', 'pull', ...from, ...nix, reference);
      });
      await operations.time('ctr run', async () => {
        await ctr('run', '--rm', ...nix, reference, `${name}-${turn}`, ...command);
      });
      await operations.time('ctr image rm', async () => await ctr('image', 'rm', '--sync', reference));
    },
  };
}

/** How long a client of CRI waits for a pull that it has no patience for, in milliseconds. */
const IMPATIENT_MS = 50;

/** A kubelet: CRI, with our image service. Before each third pull it gives up one of the same image. */
export function criClient({
  cri,
  pod,
  paths,
  operations,
}: {
  cri: Cri;
  pod: CriPod;
  paths: readonly string[];
  operations: Operations;
}): SoakClient {
  return {
    async cycle(turn) {
      const image = paths[turn % paths.length] ?? '';
      if (turn % 3 === 2)
        await operations.time('CRI PullImage, given up', async () => await giveUp(cri, image));
      await operations.time('CRI PullImage', async () => await cri.pull(image));
      await operations.time('CRI CreateContainer', async () => await pod.create(image));
      await operations.time('CRI RemoveImage', async () => await cri.remove(image));
    },
  };
}

async function giveUp(cri: Cri, image: string): Promise<void> {
  try {
    await cri.images.PullImage({ image: { image } }, { timeoutMs: IMPATIENT_MS });
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 'DeadlineExceeded') throw error;
  }
}
