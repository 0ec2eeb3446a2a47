import type { NodeShell } from '../node-shell.ts';
import type { DemoImages } from './images.ts';

/** Says how to look around in a node that is left running, and how to take it down. */
export function explainKept({ node, report }: NodeShell, images: DemoImages): void {
  const { id } = node;
  report.say('The node goes on running. A shell inside it:');
  report.verbatim([`npm run sandbox -- shell ${id}`]);
  report.say('Things to try there:');
  report.verbatim([
    'nix-snapshotter status',
    'ctr task exec --tty --exec-id me redis redis-cli',
    `ctr run --rm --net-host --snapshotter nix ${images.visitors.name} me visit Me`,
    `ctr run --rm --tty --net-host --snapshotter nix ${images.visitors.name} sh sh`,
    'nix-store --gc --print-dead',
    'tail /var/log/nix-snapshotter.log',
  ]);
  report.say('Take it down, with all that is in it:');
  report.verbatim([`npm run sandbox -- down ${id}`]);
}
