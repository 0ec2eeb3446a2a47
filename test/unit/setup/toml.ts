import { parse } from 'smol-toml';

/** TOML as plain objects, which compare with literals. */
export function toml(text: string): Record<string, unknown> {
  return JSON.parse(JSON.stringify(parse(text))) as Record<string, unknown>;
}
