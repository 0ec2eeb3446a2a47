import { EventEmitter, on } from 'node:events';
import type { HealthCheckResponseInput, HealthCheckResponseServingStatus } from '../../proto/gen/messages.ts';
import { StatusError } from '../errors.ts';
import { implement, type Implementation } from './implementation.ts';
import { health } from './proto.ts';

export type ServingStatus = 'SERVING' | 'NOT_SERVING';

export interface Health {
  readonly implementation: Implementation;
  /** Sets the status of a service by its full name; '' is the whole server. */
  set(service: string, status: ServingStatus): void;
  /** Sets every known service to NOT_SERVING and ends the Watch calls, so that a server can drain. */
  shutDown(): void;
}

/** The standard health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
export function createHealth(): Health {
  const statuses = new Map<string, ServingStatus>();
  const changes = new EventEmitter().setMaxListeners(0);
  const shutdown = new AbortController();

  async function* watch(service: string, signal: AbortSignal): AsyncGenerator<HealthCheckResponseInput> {
    const current = (): HealthCheckResponseServingStatus => statuses.get(service) ?? 'SERVICE_UNKNOWN';
    const ended = AbortSignal.any([signal, shutdown.signal]);
    if (ended.aborted) return;
    const changed = on(changes, 'change', { signal: ended });
    try {
      let told = current();
      yield { status: told };
      for await (const _ of changed) {
        if (current() === told) continue;
        told = current();
        yield { status: told };
      }
    } catch (error) {
      if (!ended.aborted) throw error;
    } finally {
      await changed.return?.();
    }
  }

  return {
    implementation: implement(health, {
      async Check({ service }) {
        const status = statuses.get(service);
        if (status !== undefined) return { status };
        throw new StatusError('NotFound', `service ${JSON.stringify(service.slice(0, 300))}: not found`);
      },
      Watch: ({ service }, { signal }) => watch(service, signal),
    }),
    set(service, status) {
      statuses.set(service, status);
      changes.emit('change');
    },
    shutDown() {
      for (const service of statuses.keys()) statuses.set(service, 'NOT_SERVING');
      changes.emit('change');
      shutdown.abort();
    },
  };
}
