import { readdir, readFile } from 'node:fs/promises';
import { isMap, parseDocument } from 'yaml';
import { failure, fine, type Finding } from './finding.ts';

export interface KubeletFacts {
  /** What the kubelet asks for images: its own word, or nothing. */
  readonly imageEndpoint: string | undefined;
  /** Its file, where it has one. */
  readonly config: string | undefined;
  /** What it should ask. */
  readonly expected: string;
}

/** Looks for a kubelet that runs here; undefined where there is none. */
export async function readKubelet(address: string): Promise<KubeletFacts | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    if (name.trim() !== 'kubelet') continue;
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const config = flagIn(args, 'config');
    return {
      imageEndpoint: flagIn(args, 'image-service-endpoint') ?? (await endpointIn(config)),
      config,
      expected: `unix://${address}`,
    };
  }
  return undefined;
}

/** The value of a flag, `--name value` or `--name=value`, the last one that is there. */
export function flagIn(args: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (const [at, argument] of args.entries()) {
    if (argument === `--${name}`) value = args[at + 1];
    if (argument.startsWith(`--${name}=`)) value = argument.slice(name.length + 3);
  }
  return value;
}

async function endpointIn(config: string | undefined): Promise<string | undefined> {
  if (config === undefined) return undefined;
  const { contents } = parseDocument(await readFile(config, 'utf8').catch(() => ''));
  const value = isMap(contents) ? contents.get('imageServiceEndpoint') : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** Whether the kubelet asks our image service, where the daemon serves it. */
export function judgeKubelet({ imageEndpoint, config, expected }: KubeletFacts): readonly Finding[] {
  if (imageEndpoint === expected) return [fine('kubelet', `the kubelet asks ${expected} for images`)];
  return [
    failure('kubelet-endpoint', {
      what: `the kubelet asks ${imageEndpoint ?? 'containerd'} for images, and the daemon has image_service.enable = true`,
      why: 'pods of store paths are pulled by containerd: without the resolver they fail with "no such host"',
      fix:
        `set imageServiceEndpoint: ${expected} in ${config ?? 'the kubelet’s configuration'}, or start it with ` +
        `--image-service-endpoint=${expected}; or set image_service.enable = false`,
      commands: ['systemctl restart kubelet.service'],
    }),
  ];
}
