import { PITFALLS, type Pitfall } from '../../src/containerd/pitfalls.ts';

const TOP = `# containerd’s releases

<!-- written by npm run docs: do not edit -->

What releases of containerd do that matters to a snapshotter, and who sees to it: the daemon by what it answers, \`setup\` by what it
writes (and [\`doctor\`](doctor.md) by looking whether it is so), or you. \`setup\` and \`doctor\` go by the same table.
Which releases are tested with what is in [compatibility](compatibility.md).

| releases | what they do | who | how |
|---|---|---|---|
`;

/** docs/containerd.md: the table that setup and doctor go by. */
export function renderContainerd(): Promise<string> {
  const rows = PITFALLS.map((pitfall) => {
    const { what, met, how } = pitfall;
    return `| ${releasesOf(pitfall)} | ${what} | ${met} | ${how} |\n`;
  });
  return Promise.resolve(`${TOP}${rows.join('')}`);
}

function releasesOf({ from, before }: Pitfall): string {
  if (from === undefined) return `before ${before}`;
  return before === undefined ? `${from} and newer` : `from ${from}, before ${before}`;
}
