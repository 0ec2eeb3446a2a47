import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readJunit } from '../../integration/critest/junit.ts';

/** As ginkgo 2 writes it, shortened. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="5" disabled="2" errors="0" failures="2" time="1.5">
  <testsuite name="CRI validation" tests="5">
    <testcase name="[BeforeSuite]" classname="CRI validation" status="passed" time="0.1"></testcase>
    <testcase name="[It] Image &gt; pulls" classname="CRI validation" status="passed" time="0.5">
      <system-err>&gt; Enter [BeforeEach]</system-err>
    </testcase>
    <testcase name="[It] Image lists" classname="CRI validation" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
    <testcase name="[It] broken" classname="CRI validation" status="failed" time="1">
      <failure message="expected &#34;a&#34;&#xA;to be b" type="failed">more</failure>
    </testcase>
    <testcase name="[AfterSuite]" classname="CRI validation" status="panicked" time="0.1"/>
  </testsuite>
</testsuites>`;

describe('readJunit', () => {
  it('tells passed, failed and skipped tests; a step of the suite counts when it fails', () => {
    const { passed, failed, skipped } = readJunit(REPORT);
    assert.deepEqual(passed, ['[It] Image > pulls']);
    assert.deepEqual(
      [...failed],
      [
        ['[It] broken', 'expected "a" to be b'],
        ['[AfterSuite]', ''],
      ],
    );
    assert.equal(skipped, 1);
  });
});
