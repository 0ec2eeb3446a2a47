import { inUserNamespace, userOutside } from '../../host/user-namespace.ts';

/** The socket of a user's view helper, unless another one is configured. */
export function helperSocket(user: number): string {
  return `/run/nix-snapshotter-view-helper/${user}.sock`;
}

/**
 * The socket of the view helper that a daemon here asks for views.
 *
 * @param configured `view_helper.address`.
 * @returns undefined where the daemon can make views itself, or nobody is to be asked.
 */
export function helperAddress(configured: string): string | undefined {
  if (configured === 'off' || !inUserNamespace()) return undefined;
  return configured === 'auto' ? helperSocket(userOutside()) : configured;
}
