import { type Component, probe } from './sandbox/components.ts';
import { sandboxUnavailable } from './sandbox/available.ts';

/**
 * Gets components of the test bed, with a line for each; what cannot be had is told and left to its tests.
 *
 * @returns the version of each that was got.
 */
export async function prepareTestbed(
  components: readonly Component[],
): Promise<Readonly<Record<string, string>>> {
  const versions: Record<string, string> = {};
  const reason = sandboxUnavailable();
  if (reason !== undefined) {
    process.stdout.write(`contract, integration and e2e tests are skipped: ${reason}\n`);
    return versions;
  }
  for (const component of components) {
    const start = performance.now();
    const found = await probe(component);
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const what = 'version' in found ? found.version : `not available: ${found.reason}`;
    process.stdout.write(`test bed: ${component} ${what} (${seconds} s)\n`);
    if ('version' in found) versions[component] = found.version;
  }
  return versions;
}
