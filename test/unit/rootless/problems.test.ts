import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RootlessFacts, subordinateIds } from '../../../src/rootless/facts.ts';
import { rootlessProblems } from '../../../src/rootless/problems.ts';

const FIT: RootlessFacts = {
  user: { id: 1000, name: 'alice' },
  missingPrograms: [],
  subordinate: { users: 65_536, groups: 65_536 },
  runtimeDirectory: '/run/user/1000',
  lingers: true,
  settings: new Map([['user.max_user_namespaces', '15000']]),
  hasTun: true,
  hasProfile: false,
};

const told = (facts: Partial<RootlessFacts>) =>
  rootlessProblems({ ...FIT, ...facts }).map(
    ({ isFatal, text }) => `${isFatal ? 'fatal' : 'warning'} ${text}`,
  );
const tells = (facts: Partial<RootlessFacts>, ...expected: readonly RegExp[]) => {
  const lines = told(facts);
  assert.equal(lines.length, expected.length, lines.join('\n'));
  for (const [index, line] of lines.entries()) assert.match(line, expected[index] ?? /never/);
};

describe('rootlessProblems', () => {
  it('finds none where there is none', () => {
    tells({});
    tells({ lingers: undefined, settings: new Map() });
  });

  it('names the fix of each', () => {
    tells(
      { missingPrograms: ['newuidmap'] },
      /^fatal newuidmap is not in PATH: .*uidmap.*shadow-utils.*wrappers/,
    );
    tells({ missingPrograms: ['rootlesskit'] }, /^fatal rootlesskit is not in PATH: .*nerdctl-full/);
    tells(
      { subordinate: { users: 0, groups: 65_536 } },
      /^fatal \/etc\/subuid gives alice 0 ids .*usermod --add-subuids .* alice /,
    );
    tells(
      { subordinate: { users: 65_536, groups: 100 } },
      /^warning \/etc\/subgid gives alice 100 ids .*usermod --add-subgids .* alice /,
    );
    tells(
      { settings: new Map([['user.max_user_namespaces', '0']]) },
      /^fatal .*sysctl user.max_user_namespaces=/,
    );
    tells(
      { settings: new Map([['kernel.unprivileged_userns_clone', '0']]) },
      /^fatal .*sysctl kernel.unprivileged_userns_clone=1/,
    );
    const restricted = new Map([['kernel.apparmor_restrict_unprivileged_userns', '1']]);
    tells({ settings: restricted }, /^warning AppArmor .*\/etc\/apparmor.d\//);
    tells({ settings: restricted, hasProfile: true });
    tells({ runtimeDirectory: undefined }, /^fatal XDG_RUNTIME_DIR .*enable-linger alice.*\/run\/user\/1000/);
    tells({ lingers: false }, /^warning .*loginctl enable-linger alice/);
    tells({ hasTun: false }, /^warning \/dev\/net\/tun .*modprobe tun/);
  });

  it('puts what is fatal first, and tells root one thing only', () => {
    tells({ hasTun: false, missingPrograms: ['newgidmap'] }, /^fatal newgidmap/, /^warning \/dev\/net\/tun/);
    tells({ user: { id: 0, name: 'root' }, missingPrograms: ['newuidmap'] }, /^fatal this is root/);
  });
});

describe('subordinateIds', () => {
  const user = { id: 1000, name: 'alice' };
  it('adds the ranges of the user, by name and by id', () => {
    assert.equal(subordinateIds('bob:1:5\nalice:100000:65536\n1000:200000:10\n', user), 65_546);
  });
  it('takes no line that is not one', () => {
    assert.equal(subordinateIds('', user), 0);
    assert.equal(subordinateIds('alice\nalice:1\nalice:1:x\nalice:1:-4\n#alice:1:5\nalic:1:5', user), 0);
  });
});
