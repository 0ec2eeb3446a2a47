import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRunConfig, type RunConfig } from '../../../src/image/image-config.ts';
import { mergeEnv, mergeRunConfig } from '../../../src/image/merge-config.ts';

const words = fc.array(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 3 });
const env = fc.array(
  fc
    .tuple(fc.constantFrom('PATH', 'HOME', 'A', 'B'), fc.string({ maxLength: 4 }))
    .map(([k, val]) => `${k}=${val}`),
  { maxLength: 5 },
);
const text = fc.string({ minLength: 1, maxLength: 5 });
const config: fc.Arbitrary<RunConfig> = fc.record(
  {
    User: text,
    WorkingDir: text,
    StopSignal: text,
    Env: env,
    Entrypoint: words,
    Cmd: words,
    Labels: fc.dictionary(fc.constantFrom('a', 'b', 'c'), text),
    Volumes: fc.dictionary(fc.constantFrom('/a', '/b'), fc.constant({})),
    ExposedPorts: fc.dictionary(fc.constantFrom('80/tcp', '53/udp'), fc.constant({})),
  },
  { requiredKeys: [] },
);

describe('merge of image configs', () => {
  it('follows docker build', () => {
    const base: RunConfig = {
      Env: ['PATH=/bin', 'A=1', 'B=2'],
      Entrypoint: ['/old'],
      Cmd: ['arg'],
      Labels: { a: '1', b: '2' },
      Volumes: { '/data': {} },
      User: 'alice',
      WorkingDir: '/w',
      OnBuild: ['RUN x'],
      Healthcheck: { Test: ['CMD', 'true'] },
    };
    const upper: RunConfig = {
      Env: ['A=9', 'C=3'],
      Entrypoint: ['/new'],
      Labels: { b: '3' },
      Volumes: { '/v': {} },
      WorkingDir: '',
    };
    assert.deepEqual(mergeRunConfig(base, upper), {
      Entrypoint: ['/new'],
      Env: ['PATH=/bin', 'A=9', 'B=2', 'C=3'],
      Healthcheck: { Test: ['CMD', 'true'] },
      Labels: { a: '1', b: '3' },
      User: 'alice',
      Volumes: { '/data': {}, '/v': {} },
      WorkingDir: '/w',
    });
  });

  it('an Entrypoint drops the Cmd, an empty one drops both, a Cmd leaves the Entrypoint', () => {
    const base: RunConfig = { Entrypoint: ['/e'], Cmd: ['c'] };
    assert.deepEqual(mergeRunConfig(base, { Entrypoint: ['/x'], Cmd: ['y'] }), {
      Cmd: ['y'],
      Entrypoint: ['/x'],
    });
    assert.deepEqual(mergeRunConfig(base, { Entrypoint: [] }), {});
    assert.deepEqual(mergeRunConfig(base, { Cmd: ['y'] }), { Cmd: ['y'], Entrypoint: ['/e'] });
    assert.deepEqual(mergeRunConfig(base, { Entrypoint: null, Cmd: null }), {
      Cmd: ['c'],
      Entrypoint: ['/e'],
    });
  });

  it('laws: nothing over x is x, x over x is x, the upper wins, each variable once', () => {
    fc.assert(
      fc.property(config, config, (base, upper) => {
        const merged = mergeRunConfig(base, upper);
        assert.deepEqual(mergeRunConfig(merged, {}), merged);
        assert.deepEqual(mergeRunConfig(merged, merged), merged);
        assert.equal(merged.User, upper.User ?? base.User);
        const names = (merged.Env ?? []).map((variable) => variable.split('=', 1)[0]);
        assert.equal(new Set(names).size, names.length);
        for (const [name, value] of Object.entries(upper.Labels ?? {}))
          assert.equal(merged.Labels?.[name], value);
        assert.deepEqual(Object.keys(merged), Object.keys(merged).toSorted());
      }),
    );
  });

  it('merging of environments is associative', () => {
    fc.assert(
      fc.property(env, env, env, (a, b, c) =>
        assert.deepEqual(mergeEnv(mergeEnv(a, b), c), mergeEnv(a, mergeEnv(b, c))),
      ),
    );
  });
});

describe('--config file', () => {
  const parse = (value: unknown) => parseRunConfig(Buffer.from(JSON.stringify(value)), 'c.json');

  it('takes member names in any case, as the Go tool did', () => {
    const { config: read, unknown } = parse({
      entrypoint: ['/x'],
      ENV: ['A=1'],
      workingdir: '/w',
      Cmd: null,
      healthcheck: {},
    });
    assert.deepEqual(read, { Entrypoint: ['/x'], Env: ['A=1'], WorkingDir: '/w', Healthcheck: {} });
    assert.deepEqual(unknown, []);
  });

  it('tells what it does not know, and names what is wrong', () => {
    assert.deepEqual(parse({ entrypont: ['/x'] }).unknown, ['entrypont']);
    assert.throws(() => parse({ Env: 'A=1' }), { code: 'InvalidArgument', message: /c\.json: Env/ });
    assert.throws(() => parseRunConfig(Buffer.from('{'), 'c.json'), {
      code: 'InvalidArgument',
      message: /c\.json: not JSON/,
    });
    assert.throws(() => parse([]), { code: 'InvalidArgument' });
  });
});
