import descriptor from '../../proto/gen/cri.json' with { type: 'json' };
import type { ImageServiceMethods } from '../../proto/gen/messages.ts';
import { definitions } from '../rpc/proto.ts';

/** `runtime.v1.ImageService` of Kubernetes' container runtime interface. */
export const imageService = definitions(descriptor)<ImageServiceMethods>('runtime.v1.ImageService');
