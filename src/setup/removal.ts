import { isMap, parseDocument } from 'yaml';
import { StatusError } from '../errors.ts';
import type { Removal } from './file-change.ts';
import { parseYaml, yamlText } from './k3s.ts';
import { HEADER } from './marker.ts';
import { linesIn, withoutLines } from './toml-edit.ts';

/**
 * Takes what setup wrote out of a file that somebody has changed since.
 *
 * @returns undefined when it is not there as it was written: then the file is left to its owner.
 */
export function withoutOurs(path: string, text: string, removal: Removal): string | undefined {
  switch (removal.kind) {
    case 'file':
      return undefined;
    case 'lines':
      return withoutLines(text, removal.lines);
    case 'json-keys':
      return withoutJsonKeys(text, removal.keys);
    case 'yaml-keys':
      return withoutYamlKeys(path, text, removal.keys);
  }
}

/** Whether any of what setup wrote is in a file. */
export function holdsOurs(text: string, removal: Removal): boolean {
  switch (removal.kind) {
    case 'file':
      return text.startsWith(HEADER);
    case 'lines':
      return linesIn(text, removal.lines).length > 0;
    case 'json-keys':
    case 'yaml-keys': {
      // JSON is YAML, too. What is neither is the planner's to refuse.
      const document = parseDocument(text);
      return removal.keys.some((key) => document.hasIn(key));
    }
  }
}

function withoutYamlKeys(
  path: string,
  text: string,
  keys: readonly (readonly string[])[],
): string | undefined {
  try {
    const document = parseYaml(path, text);
    for (const key of keys) {
      if (isMap(document.getIn(key.slice(0, -1)))) document.deleteIn(key);
    }
    return yamlText(document);
  } catch (error) {
    // Not YAML any more: its owner has other plans.
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}

function withoutJsonKeys(text: string, keys: readonly (readonly string[])[]): string | undefined {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    // Not JSON any more: its owner has other plans.
    return undefined;
  }
  for (const key of keys) {
    let table: unknown = file;
    for (const name of key.slice(0, -1)) table = (table as Record<string, unknown> | undefined)?.[name];
    if (typeof table === 'object' && table !== null) Reflect.deleteProperty(table, key.at(-1) ?? '');
  }
  return `${JSON.stringify(file, undefined, 2)}\n`;
}
