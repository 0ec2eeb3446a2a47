/** What a JUnit report says of its tests. */
export interface JunitResult {
  readonly passed: readonly string[];
  /** Names of tests that did not pass, with the beginning of why. */
  readonly failed: ReadonlyMap<string, string>;
  readonly skipped: number;
}

const MAX_REASON = 300;
const CASE = /<testcase\b(?<attributes>[^>]*?)(?:\/>|>(?<body>[\s\S]*?)<\/testcase>)/g;

/** Reads a report as ginkgo writes it (`status` of each `testcase`). The suite's own steps count when they fail. */
export function readJunit(xml: string): JunitResult {
  const passed: string[] = [];
  const failed = new Map<string, string>();
  let skipped = 0;
  for (const { groups } of xml.matchAll(CASE)) {
    const { attributes = '', body = '' } = groups ?? {};
    const name = attribute(attributes, 'name');
    const status = attribute(attributes, 'status');
    if (status === 'skipped' || status === 'pending') skipped += 1;
    else if (status !== 'passed')
      failed.set(name, attribute(body, 'message').replaceAll(/\s+/g, ' ').slice(0, MAX_REASON));
    else if (name.startsWith('[It]')) passed.push(name);
  }
  return { passed, failed, skipped };
}

function attribute(text: string, name: string): string {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1] ?? '';
  return value
    .replaceAll('&#xA;', '\n')
    .replaceAll('&#34;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
