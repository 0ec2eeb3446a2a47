import { existsSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import { whyNoRedirects } from '../host/overlay.ts';
import type { Log } from '../log.ts';
import type { Layout } from '../snapshot/layout.ts';
import { ViewChoice } from '../view/choice.ts';
import type { ClosureViews } from '../view/overlay/closure-views.ts';
import type { HelpedViews, HelpedViewsOptions } from '../view/overlay/helped-views.ts';
import { helperAddress } from '../view/overlay/helper-address.ts';
import { MappedViews } from '../view/overlay/mapped-views.ts';
import { OverlayViews } from '../view/overlay/overlay-views.ts';

export interface ViewsOptions {
  readonly config: Config;
  readonly layout: Layout;
}

export interface ViewsDeps {
  readonly realStoreDir: () => Promise<string>;
  readonly log: Log;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** How closures are shown on this host. */
export interface Views {
  readonly choice: ViewChoice;
  readonly overlays: ClosureViews;
  /** The overlays where the view helper mounts them; undefined where the daemon does. */
  readonly helped: HelpedViews | undefined;
  readonly mappedViews: MappedViews;
}

/** Chooses who makes views; none is made, and nobody is asked, before a snapshot needs one. */
export async function openViews(
  { config, layout }: ViewsOptions,
  { realStoreDir, log, undo }: ViewsDeps,
): Promise<Views> {
  const helper = helperAddress(config.view_helper.address);
  const choice = new ViewChoice(
    {
      configured: config.view,
      cannotOverlay: helper === undefined ? whyNoRedirects() : undefined,
      maker: helper === undefined ? undefined : `the view helper on ${helper}`,
    },
    { log },
  );
  const helped =
    helper === undefined
      ? undefined
      : undo.use(
          await helpedViews({ address: helper, cover: layout.viewCover }, { choice, realStoreDir, log }),
        );
  const overlays = helped ?? new OverlayViews({ directory: layout.views }, { realStoreDir, log });
  const mappedViews = new MappedViews({ directory: layout.mapped, root: layout.root }, { realStoreDir });
  return { choice, overlays, helped, mappedViews };
}

/** Without a helper's socket binds are chosen at once, not by the first container. */
async function helpedViews(
  options: HelpedViewsOptions,
  deps: { readonly choice: ViewChoice; readonly realStoreDir: () => Promise<string>; readonly log: Log },
): Promise<HelpedViews> {
  const { openHelpedViews } = await import('../view/overlay/open-helped-views.ts');
  const { address } = options;
  if (deps.choice.mayFallBack && !existsSync(address))
    deps.choice.refused(`${whyNoRedirects()}, and no view helper listens on ${address}`);
  return openHelpedViews(options, deps);
}
