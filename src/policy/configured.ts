import type { Config } from '../config/schema.ts';
import type { PolicyOptions } from './options.ts';

/** The policy that a configuration says; undefined where it lets everything in. */
export function configuredPolicy({ policy }: Config): PolicyOptions | undefined {
  const {
    max_image_bytes: maxImageBytes,
    max_node_bytes: maxNodeBytes,
    min_free_bytes: minFreeBytes,
  } = policy;
  const limits = [maxImageBytes, maxNodeBytes, minFreeBytes];
  const restricts =
    policy.rules.length > 0 || policy.default === 'deny' || limits.some((limit) => limit !== undefined);
  if (!restricts) return undefined;
  return {
    rules: policy.rules.map(({ larger_than: largerThan, ...rule }) => ({ ...rule, largerThan })),
    default: policy.default,
    unknownImage: policy.unknown_image,
    maxImageBytes,
    maxNodeBytes,
    minFreeBytes,
  };
}
