import type { JunitResult } from './junit.ts';
import { type CritestOptions, runCritest } from './run.ts';

export interface CompareOptions extends Pick<CritestOptions, 'row' | 'focus'> {
  /** Runs it with overlayfs even where nothing failed with ours. */
  readonly always?: boolean;
}

export interface Comparison {
  readonly ours: JunitResult;
  /** Not there when nothing failed with ours. */
  readonly overlayfs: JunitResult | undefined;
  /** Names of tests that failed twice with ours and not with overlayfs. */
  readonly onlyOurs: readonly string[];
}

/**
 * Runs critest with our snapshotter and with containerd's overlayfs. What failed with ours alone is run once more, alone: tests
 * with deadlines of a second fail now and then on a busy machine, with either.
 *
 * @param log told the figures and each failure.
 */
export async function compareCritest(
  { row, focus = [], always = false }: CompareOptions,
  log: (line: string) => void,
): Promise<Comparison> {
  const run = async (snapshotter: CritestOptions['snapshotter'], names: readonly string[]) => {
    const result = await runCritest({ row, snapshotter, focus: names });
    const { passed, failed, skipped } = result;
    log(`${snapshotter}: ${passed.length} passed, ${failed.size} failed, ${skipped} skipped`);
    for (const [name, why] of failed) log(`${snapshotter}: ${name}: ${why}`);
    return result;
  };
  const ours = await run('nix', focus);
  const overlayfs = always || ours.failed.size > 0 ? await run('overlayfs', focus) : undefined;
  const suspects = [...ours.failed.keys()].filter((name) => overlayfs?.failed.has(name) === false);
  if (suspects.length === 0) return { ours, overlayfs, onlyOurs: [] };
  const again = await run('nix', suspects.map(asPattern));
  return { ours, overlayfs, onlyOurs: suspects.filter((name) => !again.passed.includes(name)) };
}

/** A ginkgo focus for one test; JUnit puts the kind of node before its name. */
function asPattern(name: string): string {
  return name.replace(/^\[\w+\] /, '').replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
