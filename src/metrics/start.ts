import { ClosureSizes, type ClosureSizesDeps } from './closure-sizes.ts';
import { exposition, type ExpositionFormat } from './exposition.ts';
import { type MetricsEndpoint, MetricsServer, type MetricsServerDeps } from './metrics-server.ts';
import type { ObservedMetrics } from './observed.ts';
import { ProcessState } from './process-state.ts';
import type { Family } from './samples.ts';
import { type StateDeps, stateFamilies } from './state.ts';

export type MetricsDeps = StateDeps &
  ClosureSizesDeps &
  Omit<MetricsServerDeps, 'scrape'> & { readonly observed: ObservedMetrics };

/**
 * Serves metrics and probes.
 *
 * @throws StatusError as {@link MetricsServer.listen}.
 */
export async function startMetrics(endpoint: MetricsEndpoint, deps: MetricsDeps): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const ownProcess = undo.use(new ProcessState());
  const sizes = undo.use(new ClosureSizes(deps));
  const read = async (): Promise<readonly Family[]> => [
    ...(await stateFamilies(deps)),
    ...deps.observed.families(),
    sizes.family(),
    ...(await ownProcess.families()),
  ];
  let reading: Promise<readonly Family[]> | undefined;
  const scrape = async (format: ExpositionFormat): Promise<string> => {
    // Who asks meanwhile is told the same: however many ask, the state is read once at a time.
    reading ??= read().finally(() => (reading = undefined));
    return exposition(await reading, format);
  };
  undo.use(await MetricsServer.listen({ endpoint }, { ...deps, scrape }));
  const running = undo.move();
  return { [Symbol.asyncDispose]: () => running.disposeAsync() };
}
