import { buildPackages } from '../../../test/fixtures/packages.ts';
import type { Sandbox } from '../../../test/sandbox/sandbox.ts';
import { count, formatBytes } from '../format.ts';
import { measureClosure } from '../measure.ts';
import type { Report, Row } from '../report.ts';

export interface Packages {
  readonly greeter: string;
  readonly redis: string;
}

/** Builds the package set with Nix and tells how big it is. */
export async function makePackages(node: Sandbox, report: Report): Promise<Packages> {
  report.say(
    'A greeter (a script and the shell it needs), and redis with its shared libraries, each of them in a store ' +
      'path of its own and linked to the others by store path.',
  );
  const packages = await report.timed('nix-build', async () => {
    return await buildPackages(node, ['greeter', 'redis']);
  });
  report.table([await describeClosure(node, packages.greeter), await describeClosure(node, packages.redis)]);
  return packages;
}

/** Builds one package with Nix and tells how big it is. */
export async function makeRedis(node: Sandbox, report: Report): Promise<string> {
  report.say('redis with its shared libraries, each of them in a store path of its own.');
  const { redis } = await report.timed('nix-build', async () => await buildPackages(node, ['redis']));
  report.table([await describeClosure(node, redis)]);
  return redis;
}

async function describeClosure(node: Sandbox, path: string): Promise<Row> {
  const { paths, bytes } = await measureClosure(node, [path]);
  return [path, `closure: ${count(paths.length, 'store path')}, ${formatBytes(bytes)}`];
}
