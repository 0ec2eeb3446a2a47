import { HEADER } from './marker.ts';
import { type FileChange, ownFile } from './file-change.ts';

/** Directories of the reserved hosts: containerd spells `nix:0` so (its `docs/hosts.md`). */
const HOSTS = ['nix_0_', 'nix.local'];

/** The files that lead the reserved hosts to the resolver, with its token. */
export function hostsFiles(directory: string, resolver: string, token: string): readonly FileChange[] {
  const server = `http://${resolver}`;
  const text = [
    HEADER,
    `server = "${server}"`,
    '',
    `[host."${server}"]`,
    '  capabilities = ["pull", "resolve"]',
    `  [host."${server}".header]`,
    `    authorization = "Bearer ${token}"`,
    '',
  ].join('\n');
  return HOSTS.map((host) => ownFile(`${directory}/${host}/hosts.toml`, text, true));
}
