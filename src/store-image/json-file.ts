import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { MAX_JSON_BYTES } from '../image/descriptor.ts';
import type { StoreFiles } from '../image/store-files.ts';

/**
 * The value of a JSON file in the store.
 *
 * @returns undefined for everything else.
 * @throws StatusError ResourceExhausted for one of more than {@link MAX_JSON_BYTES}.
 */
export async function jsonOf(path: StorePath, store: StoreFiles): Promise<unknown> {
  const head = await store.head(path, 64);
  if (head === undefined || !/^\s*\{/.test(head.toString('latin1'))) return undefined;
  const bytes = await store.head(path, MAX_JSON_BYTES + 1);
  if (bytes === undefined) return undefined;
  if (bytes.length > MAX_JSON_BYTES) {
    throw new StatusError(
      'ResourceExhausted',
      `${path}: begins as JSON and has more than ${MAX_JSON_BYTES} bytes: no image description is that long`,
    );
  }
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
