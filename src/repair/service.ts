import { implement, type Implementation } from '../rpc/implementation.ts';
import { repair } from '../rpc/proto.ts';
import type { RepairReport } from './repair.ts';

/**
 * `nix_snapshotter.v1.Repair`.
 *
 * @param run one repair; they follow each other.
 */
export function repairService(run: (dryRun: boolean) => Promise<RepairReport>): Implementation {
  let last: Promise<unknown> = Promise.resolve();
  return implement(repair, {
    Repair({ dry_run: dryRun }) {
      const report = last.then(() => run(dryRun));
      last = report.catch(() => {});
      return report;
    },
  });
}
