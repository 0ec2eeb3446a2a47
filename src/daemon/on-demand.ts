import type { Config } from '../config/schema.ts';
import type { ImageService } from '../cri/open-image-service.ts';
import type { Log } from '../log.ts';
import type { ObservedMetrics } from '../metrics/observed.ts';
import type { MetricsDeps } from '../metrics/start.ts';
import { nixOptions } from '../nix/configured.ts';
import type { NixStore } from '../nix/store.ts';
import { configuredPolicy } from '../policy/configured.ts';
import type { PolicyGate } from '../policy/gate.ts';
import type { OpenGateDeps } from '../policy/open-gate.ts';
import type { Layout } from '../snapshot/layout.ts';
import type { NodeImages } from '../store-image/node-images.ts';
import type { ResolverParts } from '../store-image/open-resolver.ts';
import type { OrdinaryLayersDeps } from '../store-image/ordinary-layers.ts';
import type { Resolver } from '../store-image/resolver.ts';

// Parts that not every configuration asks for. Their modules are imported when they are made: a daemon without them starts sooner
// and needs less memory.

/** What metrics are taken of from the start on; undefined where nobody asks for them. */
export async function observedMetrics({ metrics }: Config): Promise<ObservedMetrics | undefined> {
  if (metrics.address === undefined) return undefined;
  const { ObservedMetrics: Observed } = await import('../metrics/observed.ts');
  return new Observed();
}

export interface MetricsEndpointDeps extends Omit<MetricsDeps, 'observed'> {
  readonly observed: ObservedMetrics | undefined;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** Serves metrics and probes, where an address is configured for them. */
export async function startMetricsEndpoint(
  { metrics }: Config,
  { observed, undo, ...deps }: MetricsEndpointDeps,
): Promise<void> {
  if (metrics.address === undefined || observed === undefined) return;
  const { startMetrics } = await import('../metrics/start.ts');
  undo.use(await startMetrics(metrics.address, { ...deps, observed }));
}

/** What all doors ask before they realise; undefined where the configuration lets everything in. */
export async function policyGate(
  config: Config,
  { gcRoots, pulledRoots }: Layout,
  deps: OpenGateDeps,
): Promise<PolicyGate | undefined> {
  const options = configuredPolicy(config);
  if (options === undefined) return undefined;
  const { openGate } = await import('../policy/open-gate.ts');
  deps.log.info({ rules: options.rules.length, default: options.default }, 'a policy is in force');
  return openGate({ ...options, roots: [gcRoots, pulledRoots] }, deps);
}

export interface ImageResolverDeps extends Omit<ResolverParts, 'builder' | 'lookup' | 'observer'> {
  readonly observed: ObservedMetrics | undefined;
}

/** What finds and realises the image that a store path is; undefined where no door serves such images. */
export async function imageResolver(
  config: Config,
  { pulledRoots }: Layout,
  { observed, ...deps }: ImageResolverDeps,
): Promise<Resolver | undefined> {
  if (config.resolver.address === undefined && !config.image_service.enable) return undefined;
  const { openResolver } = await import('../store-image/open-resolver.ts');
  const { CacheLookup } = await import('../nix/cache-lookup.ts');
  const { DerivationBuilder } = await import('../nix/derivation-builder.ts');
  const { deadline: deadlineMs, build, build_timeout: timeoutMs } = config.resolver;
  const setup = { deadlineMs, build, graceMs: config.gc.grace, roots: pulledRoots };
  const builder = new DerivationBuilder(
    { ...nixOptions(config), timeoutMs },
    { ...deps, env: process.env, onCollection: observed?.collection.bind(observed) },
  );
  const lookup = new CacheLookup(nixOptions(config), process);
  return await openResolver(setup, { ...deps, builder, lookup, observer: observed?.observer('build') });
}

/** The resolver's images, refused where they cannot run. */
export async function nodeImages(
  config: Config,
  resolver: Resolver | undefined,
): Promise<NodeImages | undefined> {
  if (resolver === undefined) return undefined;
  const { NodeImages: Images } = await import('../store-image/node-images.ts');
  const { CacheLookup } = await import('../nix/cache-lookup.ts');
  return new Images({ resolver, lookup: new CacheLookup(nixOptions(config), process) });
}

/** The doors to the resolver's images need both. */
export interface ImageDoorDeps {
  readonly resolver: Resolver | undefined;
  readonly images: NodeImages | undefined;
}

/** CRI's image service, where it is configured. */
export async function imageService(
  { image_service: service, containerd_address: containerd }: Config,
  { resolver, images, ...deps }: ImageDoorDeps & { readonly nix: NixStore; readonly log: Log },
): Promise<ImageService | undefined> {
  if (!service.enable || resolver === undefined || images === undefined) return undefined;
  const { openImageService } = await import('../cri/open-image-service.ts');
  const { containerd_address: address = containerd, snapshotter } = service;
  return openImageService({ address, snapshotter }, { ...deps, resolver, images });
}

export interface ImageRegistryDeps extends ImageDoorDeps, Omit<OrdinaryLayersDeps, 'resolver'> {
  readonly observed: ObservedMetrics | undefined;
  /** Disposes of what is made here. */
  readonly undo: AsyncDisposableStack;
}

/** Serves the resolver's images as a registry, where an address is configured for it. */
export async function startImageRegistry(
  { resolver: { address, deadline: deadlineMs } }: Config,
  { resolverToken: tokenFile }: Layout,
  { resolver, images, observed, undo, ...deps }: ImageRegistryDeps,
): Promise<void> {
  if (address === undefined || resolver === undefined || images === undefined) return;
  const { startRegistry } = await import('../resolver/start.ts');
  const { OrdinaryLayers } = await import('../store-image/ordinary-layers.ts');
  const layers = undo.use(new OrdinaryLayers({ ...deps, resolver }));
  const observe = observed?.request.bind(observed);
  const registry = { resolver: images, layers, observe, log: deps.log };
  undo.use(await startRegistry({ address, deadlineMs, tokenFile }, registry));
}
