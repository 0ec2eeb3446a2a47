import { UsageError } from './usage-error.ts';

/** What an image runs on, in the OCI image specification's (Go's) names. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const ARCHITECTURE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['x86-64', 'amd64'],
  ['x64', 'amd64'],
  ['aarch64', 'arm64'],
  ['i386', '386'],
  ['i686', '386'],
  ['ia32', '386'],
  ['armhf', 'arm'],
  ['armel', 'arm'],
  ['powerpc64le', 'ppc64le'],
  ['loongarch64', 'loong64'],
]);

const ARM_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['armv5tel', 'v5'],
  ['armv6l', 'v6'],
  ['armv7l', 'v7'],
]);

/**
 * `os/arch[/variant]`, aliases of architectures made Go's.
 *
 * @throws UsageError for anything else.
 */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant, ...rest] = text.toLowerCase().split('/');
  const words = [os, architecture, ...(variant === undefined ? [] : [variant])];
  if (rest.length > 0 || !words.every((word) => /^[a-z0-9_.-]+$/.test(word))) {
    throw new UsageError(
      `platform ${JSON.stringify(text)}: expected os/arch or os/arch/variant, for example linux/arm64`,
    );
  }
  return platform(os, architecture, variant);
}

/** `x86_64-linux` → linux/amd64; undefined for a text that is not a Nix system. */
export function platformOfNixSystem(system: string): Platform | undefined {
  const match = /^([a-z0-9_]+)-(linux|darwin|freebsd)$/.exec(system);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const variant = ARM_VARIANTS.get(match[1]);
  return variant === undefined ? platform(match[2], match[1]) : platform(match[2], 'arm', variant);
}

/** Builds a platform with Go's architecture name. `arm64/v8` is plain `arm64` (containerd's normal form). */
export function platform(os: string, architecture: string, variant?: string): Platform {
  const name = ARCHITECTURE_ALIASES.get(architecture) ?? architecture;
  if (variant === undefined || variant === '' || (name === 'arm64' && variant === 'v8')) {
    return { os, architecture: name };
  }
  return { os, architecture: name, variant };
}

export function formatPlatform(p: Platform): string {
  return [p.os, p.architecture, ...(p.variant === undefined ? [] : [p.variant])].join('/');
}

/**
 * How well `offered` serves `wanted`: 0 not at all, larger is better. As containerd's `platforms.Only`:
 * operating system and architecture must be equal; for arm a lower variant serves a higher one; an absent
 * variant means v7 for arm, and matches all else.
 */
export function platformFit(wanted: Platform, offered: Platform): number {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return 0;
  if (wanted.architecture === 'arm') {
    const want = armVersion(wanted.variant);
    const offer = armVersion(offered.variant);
    return offer <= want ? 1 + offer : 0;
  }
  if (wanted.variant === offered.variant) return 3;
  return offered.variant === undefined || wanted.variant === undefined ? 2 : 0;
}

function armVersion(variant = 'v7'): number {
  return Number(/^v(\d)$/.exec(variant)?.[1] ?? 0);
}
