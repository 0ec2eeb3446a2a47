import { binaryCache } from '../../../test/fixtures/binary-cache.ts';
import { configureNix } from '../../../test/fixtures/nix-config.ts';
import { expect } from '../expect.ts';
import { DownloadMeter } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';

/** Serves the closures of store paths from a signed binary cache, then empties the node's store. */
export async function moveToCache(shell: NodeShell, paths: readonly string[]): Promise<DownloadMeter> {
  const { node, report } = shell;
  const cache = await report.timed(
    `${paths.length === 1 ? 'its closure' : 'both closures'} signed, compressed and put into a binary cache`,
    async () => await binaryCache(node, paths, { name: 'demo', signed: true, compression: 'zstd' }),
  );
  await configureNix(node, { substituters: [cache], requireSigs: true });
  report.say(`The node's nix.conf names the cache (${cache.url}) and its public key.`);
  report.say('On the node itself nothing protects what was built, so Nix deletes all of it:');
  await shell.run(['nix-store', '--gc'], { show: ({ stdout }) => lastLine(stdout) });
  const { stdout } = await shell.run(['ls', '/nix/store'], { show: () => '(empty)' });
  expect(stdout === '', `the store still holds ${stdout}`);
  return new DownloadMeter({}, { cache, node });
}

/** Of `nix-store --gc`'s output: how much it deleted. */
export function lastLine(text: string): string {
  return text.slice(text.trimEnd().lastIndexOf('\n') + 1).trim();
}
