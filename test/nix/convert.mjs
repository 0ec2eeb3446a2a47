// convert.mjs json|yaml|toml NODE-MODULES FILE: prints a JSON file in another format.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [format, modules, file] = process.argv.slice(2);
const resolve = createRequire(`${modules}/`).resolve;
const library = async (name) => await import(pathToFileURL(resolve(name)));

const value = JSON.parse(readFileSync(file, 'utf8'), (key, member) => {
  if (format === 'toml' && member === null) throw new Error(`${key} is null, which TOML does not have`);
  return member;
});

const texts = {
  json: async () => `${JSON.stringify(value, null, 2)}\n`,
  yaml: async () => (await library('yaml')).stringify(value),
  toml: async () => (await library('smol-toml')).stringify(value),
};
process.stdout.write(await texts[format]());
