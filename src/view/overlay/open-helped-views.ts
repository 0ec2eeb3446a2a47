import type { Log } from '../../log.ts';
import { createRpcClient } from '../../rpc/client.ts';
import { HelpedViews, type HelpedViewsOptions } from './helped-views.ts';

/** Views made by the view helper on a socket; it is connected to when the first one is wanted. */
export function openHelpedViews(
  options: HelpedViewsOptions,
  deps: { readonly realStoreDir: () => Promise<string>; readonly log: Log },
): HelpedViews {
  return new HelpedViews(options, { ...deps, connect: () => createRpcClient(options) });
}
