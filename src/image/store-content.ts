import { setTimeout } from 'node:timers/promises';
import type {
  ContentWriteContentRequestInput,
  ContentWriteContentResponse,
} from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import type { ContainerdSession } from './containerd-session.ts';
import type { Descriptor } from './descriptor.ts';
import type { BlobReader } from './image-set.ts';
import { PushQueue } from './push-queue.ts';

/** Tries while another client writes the same blob, half a second apart. */
const LOCK_TRIES = 60;
const LOCK_WAIT_MS = 500;

/**
 * Writes a blob to containerd's content store, going on where an earlier try stopped, and sets labels on it. A blob
 * that is there already only gets the labels. An upload that holds other bytes than it should (an earlier try read a
 * damaged archive and was killed) is thrown away and made anew.
 *
 * @throws StatusError as containerd answers, or DataLoss when the source is not what the descriptor says.
 */
export async function storeContent(
  session: ContainerdSession,
  blobs: BlobReader,
  descriptor: Descriptor,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  let isAnew = false;
  for (let tries = 1; ; tries++) {
    try {
      await write(session, blobs, descriptor, labels);
      return;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (error.code === 'AlreadyExists') return label(session, descriptor.digest, labels);
      if (error.code === 'FailedPrecondition' && !isAnew) {
        await abort(session, refOf(descriptor));
        isAnew = true;
        continue;
      }
      if (error.code !== 'Unavailable' || !error.message.includes('locked') || tries === LOCK_TRIES)
        throw error;
      await setTimeout(LOCK_WAIT_MS);
    }
  }
}

/** Sets labels on a blob that is in the content store; its other labels stay. */
export async function label(
  session: ContainerdSession,
  digest: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const paths = Object.keys(labels).map((name) => `labels.${name}`);
  if (paths.length === 0) return;
  await session.content.Update({ info: { digest, labels }, update_mask: { paths } }, session.call);
}

function refOf({ digest }: Descriptor): string {
  return `nix2container-${digest}`;
}

/** Throws an upload away; none is no error. */
async function abort({ content, call }: ContainerdSession, ref: string): Promise<void> {
  try {
    await content.Abort({ ref }, call);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 'NotFound') throw error;
  }
}

async function write(
  session: ContainerdSession,
  blobs: BlobReader,
  descriptor: Descriptor,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const { digest } = descriptor;
  const total = BigInt(descriptor.size);
  const common = { ref: refOf(descriptor), total, expected: digest };
  const requests = new PushQueue<ContentWriteContentRequestInput>();
  const responses = session.content.Write(requests, session.call)[Symbol.asyncIterator]();
  const ask = async (request: ContentWriteContentRequestInput): Promise<ContentWriteContentResponse> => {
    requests.push({ ...common, ...request });
    const answer = await responses.next();
    if (answer.done !== true) return answer.value;
    throw new StatusError('Unavailable', `containerd ended the upload of ${digest}`);
  };
  try {
    let { offset } = await ask({ action: 'STAT' });
    let position = 0n;
    const source = offset < total ? await blobs.open(descriptor) : [];
    for await (const chunk of source) {
      const bytes = chunk as Buffer;
      const skip = offset > position ? Number(offset - position) : 0;
      position += BigInt(bytes.length);
      if (skip >= bytes.length) continue;
      offset = (await ask({ action: 'WRITE', offset, data: bytes.subarray(skip) })).offset;
    }
    await ask({ action: 'COMMIT', offset, labels });
  } finally {
    requests.end();
    await responses.return?.();
  }
}
