import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import lock from '../../package-lock.json' with { type: 'json' };

interface Entry {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const packages = lock.packages as unknown as Readonly<Record<string, Entry>>;

describe('package-lock.json', () => {
  // npm leaves out what a registry without the packages of other platforms cannot show it; `npm ci` then refuses the lock.
  it('lists the optional packages of every platform', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
      ),
    );
    assert.deepEqual(missing, []);
  });
  it('names no registry', () => {
    assert.deepEqual(
      Object.entries(packages).filter(([, entry]) => 'resolved' in entry),
      [],
    );
  });
});
