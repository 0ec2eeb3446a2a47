import descriptor from '../../proto/gen/introspection.json' with { type: 'json' };
import type { IntrospectionMethods, VersionMethods } from '../../proto/gen/messages.ts';
import { definitions } from '../rpc/proto.ts';

const service = definitions(descriptor);

/** What containerd says of itself and of its plugins. */
export const introspection = service<IntrospectionMethods>(
  'containerd.services.introspection.v1.Introspection',
);
export const version = service<VersionMethods>('containerd.services.version.v1.Version');
