import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createHealth } from '../../../src/rpc/health.ts';
import { health } from '../../../src/rpc/proto.ts';
import { Readiness } from '../../../src/status/readiness.ts';
import { startRig } from '../rpc/rig.ts';

/** Nix, as far as it answers. */
class Nix {
  asked = 0;
  state: 'answers' | 'silent' | 'refuses' = 'answers';

  readonly ask = async (signal: AbortSignal): Promise<void> => {
    this.asked += 1;
    if (this.state === 'refuses') throw new Error('Nix daemon (/socket): connection refused');
    if (this.state === 'silent')
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
      );
  };
}

function make(context: TestContext, { freshMs = 0, patienceMs = 20 } = {}) {
  const nix = new Nix();
  const readiness = new Readiness({ freshMs, patienceMs }, nix);
  context.after(() => readiness[Symbol.dispose]());
  return { nix, readiness };
}

describe('readiness', () => {
  it('is what Nix answers', async (context) => {
    const { nix, readiness } = make(context);
    assert.equal(await readiness.whyNot(), undefined);
    nix.state = 'refuses';
    assert.equal(await readiness.whyNot(), 'Nix daemon (/socket): connection refused');
    nix.state = 'silent';
    assert.match((await readiness.whyNot()) ?? '', /^Nix has not answered for 20 ms/);
    nix.state = 'answers';
    assert.equal(await readiness.whyNot(), undefined);
  });

  it('is not asked again while the answer is fresh, and once however many want to know', async (context) => {
    const { nix, readiness } = make(context, { freshMs: 60_000 });
    await Promise.all([readiness.whyNot(), readiness.whyNot(), readiness.whyNot()]);
    await readiness.whyNot();
    assert.equal(nix.asked, 1);
  });

  it('is not asked when nobody wants to know', async (context) => {
    const { nix, readiness } = make(context, { freshMs: 5 });
    readiness.watch(() => {})[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(nix.asked, 0);
  });

  it('decides what health says, but for what needs no Nix, and tells who watches', async (context) => {
    const { nix, readiness } = make(context, { freshMs: 5 });
    const state = createHealth(readiness, new Set(['live']));
    for (const service of ['', 'live']) state.set(service, 'SERVING');
    await using rig = await startRig(state.implementation);
    const client = rig.client.service(health);
    const told = async (watch: AsyncIterator<unknown>) =>
      ((await watch.next()).value as { status: string }).status;
    const watch = client.Watch({})[Symbol.asyncIterator]();
    const live = client.Watch({ service: 'live' })[Symbol.asyncIterator]();
    assert.equal(await told(watch), 'SERVING');
    assert.equal(await told(live), 'SERVING');
    nix.state = 'silent';
    assert.equal(await told(watch), 'NOT_SERVING');
    assert.deepEqual(await client.Check({}), { status: 'NOT_SERVING' });
    assert.deepEqual(await client.Check({ service: 'live' }), { status: 'SERVING' });
    nix.state = 'answers';
    assert.equal(await told(watch), 'SERVING');
    nix.state = 'refuses';
    assert.equal(await told(watch), 'NOT_SERVING');
    state.shutDown();
    assert.equal(await told(live), 'NOT_SERVING');
    assert.equal((await live.next()).done, true);
    assert.equal((await watch.next()).done, true);
  });
});
