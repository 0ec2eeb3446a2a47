import { STORE_TARGET } from './binds.ts';
import { readOnlyBinds } from './store-bind.ts';
import type { BoundView } from './view.ts';

/**
 * The host's whole store, read-only, by one bind. Every container with a Nix layer sees every path of the store:
 * no isolation between images, so this is chosen by the operator only.
 */
export const wholeStoreView: BoundView = {
  name: 'store',

  mountPoints(entries, present) {
    return entries.length === 0 || present.size > 0 ? [] : [{ path: STORE_TARGET, kind: 'directory' }];
  },

  mounts(entries, realStoreDir) {
    return entries.length === 0 ? [] : readOnlyBinds([{ target: STORE_TARGET, source: realStoreDir }]);
  },
};
