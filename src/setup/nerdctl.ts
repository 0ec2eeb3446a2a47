import { StatusError } from '../errors.ts';
import { type FileChange, ownFile } from './file-change.ts';
import { HEADER } from './marker.ts';
import { addElement, addKey, parseToml } from './toml-edit.ts';

/** Where nerdctl looks for `hosts.toml` files unless told (its `docs/config.md`). */
const DEFAULT_HOSTS_DIRS = ['/etc/containerd/certs.d', '/etc/docker/certs.d'];

/**
 * nerdctl's configuration with our snapshotter as default.
 *
 * @param before text of the file; undefined when there is none.
 * @throws StatusError FailedPrecondition naming the file when it chooses another snapshotter, or a line cannot be added.
 */
export function nerdctlConfig(
  path: string,
  before: string | undefined,
  { hostsDir, rootless }: { readonly hostsDir: string; readonly rootless: boolean },
): FileChange | undefined {
  const table = parseToml(path, before ?? '');
  const chosen = table['snapshotter'];
  if (chosen !== undefined && chosen !== 'nix') {
    throw new StatusError(
      'FailedPrecondition',
      `${path}: snapshotter is ${JSON.stringify(chosen)}; remove that key and run setup again, or run nerdctl with --snapshotter nix`,
    );
  }
  let text = before ?? '';
  const lines: string[] = [];
  const add = (edited: { readonly text: string; readonly lines: readonly string[] }) => {
    text = edited.text;
    lines.push(...edited.lines);
  };
  if (chosen === undefined) add(addKey(path, text, { key: 'snapshotter', value: 'nix' }));
  const dirs = table['hosts_dir'];
  const known = Array.isArray(dirs)
    ? dirs.includes(hostsDir)
    : !rootless && DEFAULT_HOSTS_DIRS.includes(hostsDir);
  if (!known && dirs !== undefined) add(addElement(path, text, 'hosts_dir', hostsDir));
  if (!known && dirs === undefined) add(addKey(path, text, { key: 'hosts_dir', value: [hostsDir] }));
  if (lines.length === 0) return undefined;
  if (before === undefined) return ownFile(path, `${HEADER}\n${text}`);
  return { path, text, mode: 0o644, secret: false, removal: { kind: 'lines', lines } };
}
