import type { Log } from '../../log.ts';
import { createRpcClient } from '../../rpc/client.ts';
import { viewHelper } from '../../rpc/view-helper-proto.ts';
import { HelpedViews } from './helped-views.ts';

/** Views made by the view helper on a socket; it is connected to when the first one is wanted. */
export function openHelpedViews(
  address: string,
  deps: { readonly realStoreDir: () => Promise<string>; readonly log: Log },
): HelpedViews {
  const client = createRpcClient({ address });
  return new HelpedViews({ address }, { ...deps, helper: client.service(viewHelper), client });
}
