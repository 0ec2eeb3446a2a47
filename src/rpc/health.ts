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

/** What a service needs besides itself in order to serve. */
export interface HealthCondition {
  /** Why it does not hold; undefined when it does. Bounded in time. */
  whyNot(): Promise<string | undefined>;
  /** Calls `changed` when the answer is another one, until the result is disposed of. */
  watch(changed: () => void): Disposable;
}

/**
 * The standard health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
 *
 * @param condition services are `SERVING` only while it holds, but for those in `unconditional`.
 */
export function createHealth(
  condition: HealthCondition = { whyNot: async () => undefined, watch: () => new DisposableStack() },
  unconditional: ReadonlySet<string> = new Set(),
): Health {
  const statuses = new Map<string, ServingStatus>();
  const changes = new EventEmitter().setMaxListeners(0);
  const shutdown = new AbortController();

  const statusOf = async (service: string): Promise<ServingStatus | undefined> => {
    if (statuses.get(service) !== 'SERVING' || unconditional.has(service)) return statuses.get(service);
    const reason = await condition.whyNot();
    // It may have been set meanwhile.
    return reason === undefined ? statuses.get(service) : 'NOT_SERVING';
  };

  async function* watch(service: string, signal: AbortSignal): AsyncGenerator<HealthCheckResponseInput> {
    const current = async (): Promise<HealthCheckResponseServingStatus> =>
      (await statusOf(service)) ?? 'SERVICE_UNKNOWN';
    const ended = AbortSignal.any([signal, shutdown.signal]);
    if (ended.aborted) return;
    const changed = on(changes, 'change', { signal: ended });
    const watching = condition.watch(() => changes.emit('change'));
    try {
      let told = await current();
      yield { status: told };
      for await (const _ of changed) {
        const now = await current();
        if (now === told) continue;
        told = now;
        yield { status: told };
      }
    } catch (error) {
      if (!ended.aborted) throw error;
    } finally {
      watching[Symbol.dispose]();
      await changed.return?.();
    }
  }

  return {
    implementation: implement(health, {
      async Check({ service }) {
        const status = await statusOf(service);
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
