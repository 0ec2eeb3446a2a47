import type { ViewHelperMethods } from '../../proto/gen/messages.ts';
import descriptor from '../../proto/gen/view-helper.json' with { type: 'json' };
import { definitions } from './proto.ts';

/** `nix_snapshotter.v1.ViewHelper`: views for daemons that may not mount any. */
export const viewHelper = definitions(descriptor)<ViewHelperMethods>('nix_snapshotter.v1.ViewHelper');
