// npm-install.mjs MODULES.json CHECKOUT: makes ./node_modules of the modules that a lock names, taken from a checkout's.
import { cpSync, readFileSync } from 'node:fs';

const [list, checkout] = process.argv.slice(2);
const modules = Object.entries(JSON.parse(readFileSync(list, 'utf8'))).filter(([path]) => path !== '');
for (const [path, version] of modules.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
  const from = `${checkout}/${path}`;
  const found = JSON.parse(readFileSync(`${from}/package.json`, 'utf8')).version;
  if (found !== version)
    throw new Error(`${path}: the lock has version ${version}, the checkout ${found}: run "npm ci"`);
  // What lies in a module's own node_modules is another module.
  cpSync(from, path, { recursive: true, filter: (file) => !file.startsWith(`${from}/node_modules`) });
}
