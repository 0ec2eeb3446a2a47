import type { Metadata } from '@grpc/grpc-js';

/** Those of a call's metadata that go on to another server, by key; the first value of each. */
export function forwardedMetadata(
  metadata: Metadata,
  keys: readonly string[],
): Readonly<Record<string, string>> {
  const forwarded: Record<string, string> = {};
  for (const key of keys) {
    const [value] = metadata.get(key);
    if (typeof value === 'string') forwarded[key] = value;
  }
  return forwarded;
}
