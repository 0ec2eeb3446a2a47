import { once } from 'node:events';
import type { Implementation } from '../rpc/implementation.ts';
import { implement } from '../rpc/implementation.ts';
import { viewHelper } from '../rpc/view-helper-proto.ts';
import type { HeldViews } from './held-views.ts';
import { parseRequest } from './request.ts';

export interface ViewHelperDeps {
  readonly views: Pick<HeldViews, 'hold'>;
  /** Aborted when the helper stops: calls end, their views stay. */
  readonly stopping: AbortSignal;
}

/** `nix_snapshotter.v1.ViewHelper`: a view is held for as long as the call that asked for it is open. */
export function viewHelperService({ views, stopping }: ViewHelperDeps): Implementation {
  return implement(viewHelper, {
    async *Hold({ store_paths: texts }, context) {
      const signal = AbortSignal.any([context.signal, stopping]);
      const { root, metadata, release } = await views.hold(parseRequest(texts), signal);
      try {
        yield { root, metadata };
        if (!signal.aborted) await once(signal, 'abort');
      } finally {
        release();
      }
    },
  });
}
