import type { NamespacesMethods } from '../../proto/gen/messages.ts';
import descriptor from '../../proto/gen/namespaces.json' with { type: 'json' };
import { definitions } from '../rpc/proto.ts';

/** containerd's namespaces. */
export const namespaces = definitions(descriptor)<NamespacesMethods>(
  'containerd.services.namespaces.v1.Namespaces',
);
