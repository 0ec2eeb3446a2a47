// The builder of closureInfo: `store-paths`, `registration` and `total-nar-size`, as the Nixpkgs manual has them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const { closure, outputs } = JSON.parse(readFileSync(process.env.NIX_ATTRS_JSON_FILE, 'utf8'));
const lines = closure.flatMap(({ path, narHash, narSize, references }) => [
  path,
  narHash,
  narSize,
  '',
  references.length,
  ...references,
]);
const write = (name, items) =>
  writeFileSync(`${outputs.out}/${name}`, items.map((item) => `${item}\n`).join(''));

mkdirSync(outputs.out);
write('store-paths', closure.map(({ path }) => path).toSorted());
write('registration', lines);
writeFileSync(
  `${outputs.out}/total-nar-size`,
  String(closure.reduce((sum, { narSize }) => sum + narSize, 0)),
);
