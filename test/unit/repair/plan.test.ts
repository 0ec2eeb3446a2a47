import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientName, type RepairFacts } from '../../../src/repair/facts.ts';
import { describeStep, planRepair } from '../../../src/repair/plan.ts';
import { recordOf } from '../metadata/store-suite.ts';

const key = (name: string) => `k8s.io/7/${name}`;
const base = recordOf(key('base'), 1);
const middle = recordOf(key('middle'), 2, { parent: base.key });
const top = recordOf(key('container'), 3, { parent: middle.key, kind: 'active' });
const other = recordOf(key('other'), 4);

function facts(more: Partial<RepairFacts> = {}): RepairFacts {
  const records = [base, middle, top, other];
  return {
    records,
    degraded: [],
    gone: new Set(),
    kept: new Set(),
    mounted: new Set(),
    unrooted: new Set(),
    wanted: new Set((more.records ?? records).map((record) => record.key)),
    ...more,
  };
}

function stepsOf(more: Partial<RepairFacts>): readonly string[] {
  return planRepair(facts(more)).steps.map(describeStep);
}

describe('a plan of a repair', () => {
  it('is empty when nothing is broken', () => {
    assert.deepEqual(planRepair(facts()), { steps: [], left: [] });
  });

  it('takes away what lost its directory and all that is on top of it, leaves first, and nothing else', () => {
    assert.deepEqual(stepsOf({ gone: new Set([1]) }), [
      'have containerd forget snapshot "container" of namespace k8s.io',
      'have containerd forget snapshot "middle" of namespace k8s.io',
      'have containerd forget snapshot "base" of namespace k8s.io',
      'remove snapshot "container" of namespace k8s.io',
      'remove snapshot "middle" of namespace k8s.io',
      'remove snapshot "base" of namespace k8s.io',
      'have containerd remove what it does not know',
    ]);
  });

  it('leaves what a container that runs uses, with all below it, to a person', () => {
    const { steps, left } = planRepair(facts({ gone: new Set([2]), mounted: new Set([3]) }));
    assert.deepEqual(steps, []);
    assert.match(
      left.join(),
      /"container" of namespace k8s.io is damaged, and a container that runs uses it: delete/,
    );
  });

  it('has containerd forget what is not known here', () => {
    const wanted = new Set([...facts().records.map((record) => record.key), key('lost'), key('a/b c')]);
    assert.deepEqual(stepsOf({ wanted }), [
      'have containerd forget snapshot "lost" of namespace k8s.io',
      'have containerd forget snapshot "a/b c" of namespace k8s.io',
      'have containerd remove what it does not know',
    ]);
  });

  it('removes a record that cannot be read', () => {
    const degraded = [{ key: key('bad'), id: undefined, reason: 'it is cut' }];
    const wanted = new Set([...facts().records.map((record) => record.key), key('bad')]);
    assert.deepEqual(stepsOf({ degraded, wanted }), [
      'have containerd forget snapshot "bad" of namespace k8s.io',
      'remove snapshot "bad" of namespace k8s.io',
      'have containerd remove what it does not know',
    ]);
  });

  it('leaves a record that cannot be read and names no directory while a container runs on one of nobody’s', () => {
    const degraded = [{ key: key('bad'), id: undefined, reason: 'it is cut' }];
    const { steps, left } = planRepair(facts({ degraded, mounted: new Set([3, 12]) }));
    assert.deepEqual(steps, []);
    assert.match(left.join(), /containers that run use some of no known snapshot \(12\): delete/);
  });

  it('removes directories of no snapshot that nobody uses, and names those that somebody does', () => {
    const { steps, left } = planRepair(facts({ kept: new Set([8, 9]), mounted: new Set([9]) }));
    assert.deepEqual(steps, [{ type: 'remove-directories', ids: [8] }]);
    assert.match(left.join(), /^1 directories of no known snapshot are used by containers/);
  });

  it('roots what lost its root, and has containerd remove what it does not want', () => {
    assert.deepEqual(stepsOf({ unrooted: new Set([4]), wanted: new Set([other.key]) }), [
      'root the closure of snapshot "other" of namespace k8s.io',
      'have containerd remove what it does not know',
    ]);
  });

  it('of a daemon that containerd does not answer repairs what is its own, and says so', () => {
    const { steps, left } = planRepair(facts({ wanted: undefined, gone: new Set([4]) }));
    assert.deepEqual(steps, [{ type: 'remove-snapshot', key: other.key }]);
    assert.match(left.join(), /containerd does not answer: start it and run this again/);
  });

  it('ends, whatever the parents say', () => {
    const one = recordOf(key('one'), 1, { parent: key('two') });
    const two = recordOf(key('two'), 2, { parent: key('one') });
    const steps = stepsOf({ records: [one, two], gone: new Set([1]) });
    assert.equal(steps.length, 5);
  });
});

describe('clientName', () => {
  it('takes apart what containerd made of a client’s name', () => {
    assert.deepEqual(clientName('k8s.io/17/extract-1-a sha256:00'), {
      namespace: 'k8s.io',
      name: 'extract-1-a sha256:00',
    });
    assert.deepEqual(clientName('default/1/a/2/b'), { namespace: 'default', name: 'a/2/b' });
    assert.equal(clientName('key'), undefined);
  });
});
