import type { StorePath } from '../closure/store-path.ts';
import { StatusError } from '../errors.ts';
import { formatBytes } from '../config/bytes.ts';
import type { Facts, Match } from './rules.ts';
import type { Door } from './subject.ts';

/** What refuses: a rule, the default where no rule matches, or the limit of that name. */
export type RefusedBy = 'rule' | 'default' | 'max_image_bytes' | 'max_node_bytes' | 'min_free_bytes';

/** That something was refused, by what, and at which door. */
export interface PolicyRefusal {
  readonly by: RefusedBy;
  readonly door: Door;
}

/** What is refused. */
export interface Refused {
  readonly image: Facts['image'];
  /** The first path that it names. */
  readonly path: StorePath | undefined;
}

// No quotes: some clients show them with backslashes before them.
const CHANGE = 'in [policy] of the configuration of nix-snapshotter on this node, then restart it';

/** PermissionDenied for what a rule denies, or what no rule allows. */
export function deniedByRule(refused: Refused, match: Match | undefined, facts: Facts): StatusError {
  const what = describe(refused);
  if (match === undefined) {
    return new StatusError(
      'PermissionDenied',
      `policy: no rule allows ${what}${untold(facts)}, and the default is to deny; pull another image, or add a rule ${CHANGE}`,
    );
  }
  const { rule, path } = match;
  const reasons = [
    ...(rule.image !== undefined && facts.image === 'unknown' ? [UNTOLD] : []),
    ...(path === undefined ? [] : [`its closure has ${path}`]),
    ...(rule.largerThan === undefined
      ? []
      : [`its closure takes ${formatBytes(facts.bytes)}, more than ${formatBytes(rule.largerThan)}`]),
  ];
  const because = reasons.length === 0 ? '' : `: ${reasons.join(', ')}`;
  return new StatusError(
    'PermissionDenied',
    `policy: rule ${rule.name} denies ${what}${because}; pull another image, or change the rule ${CHANGE}`,
  );
}

const UNTOLD = 'its reference is not known here, and the rule asks for it (see policy.unknown_image)';

function untold({ image }: Facts): string {
  return image === 'unknown' ? ' whose reference is not known here (see policy.unknown_image)' : '';
}

/** A limit of bytes that would be passed. */
export interface Excess {
  readonly limit: number;
  /** What there would be: taken, or left free. */
  readonly bytes: number;
}

/** ResourceExhausted for an image that is larger than `max_image_bytes`. */
export function imageTooLarge(refused: Refused, { limit, bytes }: Excess): StatusError {
  return exhausted(
    'max_image_bytes',
    refused,
    `its store paths take ${formatBytes(bytes)}, at most ${formatBytes(limit)} are allowed`,
    'make the image smaller, or raise the limit',
  );
}

/** ResourceExhausted where `max_node_bytes` leaves no room. */
export function nodeFull(refused: Refused, { limit, bytes }: Excess): StatusError {
  return exhausted(
    'max_node_bytes',
    refused,
    `with it the images of this node would take ${formatBytes(bytes)}, at most ${formatBytes(limit)} are allowed`,
    'remove images that nobody needs, or raise the limit',
  );
}

/** ResourceExhausted where `min_free_bytes` would not stay free. */
export function diskTooFull(refused: Refused, { limit, bytes }: Excess, storeDir: string): StatusError {
  const left = bytes < 0 ? 'nothing' : formatBytes(bytes);
  return exhausted(
    'min_free_bytes',
    refused,
    `${left} would stay free for ${storeDir}, at least ${formatBytes(limit)} must`,
    'free space (remove images, nix-collect-garbage), or lower the limit',
  );
}

function exhausted(limit: string, refused: Refused, cause: string, next: string): StatusError {
  return new StatusError(
    'ResourceExhausted',
    `policy: ${limit} refuses ${describe(refused)}: ${cause}; ${next} ${CHANGE}`,
  );
}

/** The reference may be a label's: anybody's text. */
function describe({ image, path }: Refused): string {
  if (typeof image !== 'string') return `image ${shown(image.reference)}`;
  return path === undefined ? 'an image' : `the image that needs ${path}`;
}

function shown(reference: string): string {
  return reference.slice(0, 300).replaceAll(/[^\w./:@+=?#-]/g, '?');
}
