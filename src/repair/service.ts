import { implement, type Implementation } from '../rpc/implementation.ts';
import { repair } from '../rpc/proto.ts';
import type { RepairOptions, RepairReport } from './repair.ts';

/**
 * `nix_snapshotter.v1.Repair`.
 *
 * @param run one repair; they follow each other.
 */
export function repairService(run: (options: RepairOptions) => Promise<RepairReport>): Implementation {
  let last: Promise<unknown> = Promise.resolve();
  return implement(repair, {
    Repair({ dry_run: dryRun, mounted }) {
      const report = last.then(() => run({ dryRun, mounted: mounted.map(Number) }));
      last = report.catch(() => {});
      return report;
    },
  });
}
