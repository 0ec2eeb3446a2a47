import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sandboxUnavailable } from '../sandbox/available.ts';
import { skipWithout } from '../sandbox/components.ts';
import { inside, projectRoot } from '../sandbox/layout.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { shellsBase } from '../sandbox/shells.ts';

const skip = sandboxUnavailable() ?? (await skipWithout('debian-trixie'));
const COMPLETION = 'modules/release/completion';
const MAN = 'modules/release/man';

/** What is typed before the tabulator, and what is among the answers, and what is not. */
const TYPED: readonly {
  readonly line: string;
  readonly has: readonly string[];
  readonly hasNot: readonly string[];
}[] = [
  { line: 'nix-snapshotter ', has: ['status', 'doctor', 'setup', 'view-helper'], hasNot: ['--nerdctl'] },
  { line: 'nix-snapshotter do', has: ['doctor'], hasNot: ['setup'] },
  {
    line: 'nix-snapshotter setup --',
    has: ['--containerd', '--containerd-version', '--dry-run'],
    hasNot: ['--json'],
  },
  { line: 'nix-snapshotter status --j', has: ['--json'], hasNot: ['--config'] },
  { line: 'nix-snapshotter --log-level ', has: ['debug', 'error'], hasNot: ['status'] },
  { line: 'nix2container build --format ', has: ['oci-layout', 'docker-archive'], hasNot: ['gzip'] },
  { line: 'nix2container push --pl', has: ['--plain-http'], hasNot: ['--ref'] },
];

describe('on a node with shells, manual pages and systemd', { skip }, () => {
  let node: Sandbox;
  before(async () => {
    node = await Sandbox.up({ suite: 'trixie', base: await shellsBase() });
    await node.sh(`
      for program in nix-snapshotter nix2container; do
        cp ${inside.project}/${COMPLETION}/$program.bash /usr/share/bash-completion/completions/$program
        cp ${inside.project}/${COMPLETION}/$program.zsh /usr/share/zsh/vendor-completions/_$program
        cp ${inside.project}/${COMPLETION}/$program.fish /usr/share/fish/vendor_completions.d/$program.fish
        printf '#!/bin/sh\\n' > /usr/bin/$program; chmod +x /usr/bin/$program
      done`);
  });
  after(async () => await node.down());

  const words = (text: string) => new Set(text.split(/[\s,]+/));

  async function assertCompletes(complete: (line: string) => Promise<string>): Promise<void> {
    for (const { line, has, hasNot } of TYPED) {
      const said = await complete(line);
      const told = words(said);
      for (const word of has) assert.ok(told.has(word), `${line}: ${word} is not in ${said}`);
      for (const word of hasNot) assert.ok(!told.has(word), `${line}: ${word} is in ${said}`);
    }
  }

  it('bash completes commands, options and their values, and files', async () => {
    const complete = async (line: string) => {
      const script = `
        . /usr/share/bash-completion/bash_completion
        line=$1; read -ra COMP_WORDS <<< "$line"; [[ $line == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); COMP_LINE=$line; COMP_POINT=\${#line}
        . /usr/share/bash-completion/completions/\${COMP_WORDS[0]}
        f=$(complete -p "\${COMP_WORDS[0]}" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $f "\${COMP_WORDS[0]}" "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
        echo "\${COMPREPLY[@]}"; complete -p "\${COMP_WORDS[0]}" >&2`;
      const { stdout, stderr } = await node.exec(['bash', '-c', script, 'bash', line]);
      assert.match(stderr, /-o default/, 'files are what is left');
      return stdout;
    };
    await assertCompletes(complete);
    assert.equal(await complete('nix-snapshotter --config '), '');
  });

  it('fish completes them, and says what they are', async () => {
    const complete = async (line: string) =>
      (await node.exec(['fish', '-c', 'complete -C $argv[1]', line], { env: { HOME: '/root' } })).stdout;
    await assertCompletes(complete);
    assert.match(await complete('nix-snapshotter doc'), /^doctor\tLook for what is wrong/);
  });

  it('zsh completes them', async () => {
    await node.writeFile('/tmp/complete.zsh', ZSH);
    await node.exec(['zsh', '-fc', 'autoload -Uz compinit && compinit -u -d /tmp/dump']);
    const complete = async (line: string) =>
      (await node.exec(['zsh', '-f', '/tmp/complete.zsh', line], { env: { HOME: '/root', TERM: 'xterm' } }))
        .stdout;
    await assertCompletes(complete);
  });

  it('the manual pages are what man and mandoc read without a complaint', async () => {
    for (const page of await readdir(join(projectRoot, MAN))) {
      const file = `${inside.project}/${MAN}/${page}`;
      const lint = await node.exec(['mandoc', '-T', 'lint', '-W', 'warning', file], { reject: false });
      // A page that is made of the source has none.
      const complaints = `${lint.stdout}${lint.stderr}`
        .split('\n')
        .filter((line) => line !== '' && !line.includes('missing date'));
      assert.deepEqual(complaints, [], page);
      const { stdout } = await node.exec(['mandoc', '-T', 'utf8', file]);
      // Bold is a letter, a backspace, and the letter again.
      assert.match(stdout.replaceAll(/.[\b]/g, ''), /^EXIT STATUS$/m);
    }
  });

  it('systemd finds nothing wrong with the units', async () => {
    const units = (await readdir(join(projectRoot, 'examples/systemd'))).filter((name) =>
      /\.(service|socket)$/.test(name),
    );
    await node.sh('printf "#!/bin/sh\\n" > /usr/bin/node; chmod +x /usr/bin/node; mkdir -p /run/units');
    for (const name of units) {
      await node.writeFile(
        `/run/units/${name}`,
        await readFile(join(projectRoot, 'examples/systemd', name), 'utf8'),
      );
    }
    const named = units.map((name) => `/run/units/${name.replace('@.', '@1000.')}`);
    const found = await node.exec(
      ['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', ...named],
      { reject: false },
    );
    assert.deepEqual([found.exitCode, found.stderr], [0, '']);
  });
});

/** Asks zsh's own completion on a pseudo terminal, as a person does; what it would offer is written down by its own function. */
const ZSH = String.raw`zmodload zsh/zpty
cat > /tmp/inner.zsh <<'END'
autoload -Uz compinit && compinit -C -d /tmp/dump
bindkey '^I' complete-word
compadd() {
  local -a offered
  if (( ! ${'$'}{@[(I)-[OAD]*]} )); then
    builtin compadd -A offered "$@"
    print -rl -- $offered >> /tmp/offered
  fi
  builtin compadd "$@"
}
finish() { kill -KILL $$ }
comppostfuncs=(finish)
print READY
END
: > /tmp/offered
zpty z zsh -f -i
zpty -w z 'source /tmp/inner.zsh'
while zpty -r z line; do [[ $line == READY* ]] && break; done
zpty -w -n z "$1"$'\t'
while zpty -r z line; do :; done
cat /tmp/offered
`;
