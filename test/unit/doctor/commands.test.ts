import { deepEqual, equal, match } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { commandsFor, shellWord } from '../../../src/doctor/commands.ts';

describe('fixes', () => {
  it('are for the daemon that is meant', () => {
    const user = commandsFor({
      isRoot: false,
      containerdAddress: '/run/k3s/containerd/containerd.sock',
      config: "/a'b",
    });
    deepEqual(
      [user.setup, user.restartContainerd],
      [String.raw`nix-snapshotter setup --k3s --config '/a'\''b'`, 'systemctl --user restart k3s.service'],
    );
    const agent = { isRoot: true, containerdAddress: '/run/k3s/containerd/containerd.sock', isAgent: true };
    deepEqual(commandsFor(agent).restartContainerd, 'systemctl restart k3s-agent.service');
    deepEqual(['/a/b.toml', '$(id)', ''].map(shellWord), ['/a/b.toml', "'$(id)'", "''"]);
    const hostile = "/a\n\u001b[2J\u009b'\\$(id)\u202e é";
    const word = shellWord(hostile);
    match(word, /^\$'[ -~]+'$/);
    equal(execFileSync('bash', ['-c', `printf %s ${word}`], { encoding: 'utf8' }), hostile);
  });
});
