/** A systemd unit: sections, and in each its keys with their values. */
export type Unit = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What a unit of NixOS's options has that is read here. */
export interface NixosUnit {
  readonly description: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly requires: readonly string[];
  readonly wants: readonly string[];
  readonly partOf: readonly string[];
  readonly wantedBy: readonly string[];
  readonly unitConfig: Section;
  readonly serviceConfig?: Section;
  readonly socketConfig?: Section;
  readonly path?: readonly string[];
}

type Section = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Reads a unit file: systemd.syntax(7), without continued lines. */
export function parseUnit(text: string): Unit {
  const unit: Record<string, Record<string, string>> = {};
  let section: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const name = /^\[(\w+)\]$/.exec(line)?.[1];
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) unit[name] = section = {};
    else if (key !== undefined) section[key] = value ?? '';
    else if (line !== '' && !line.startsWith('#')) throw new Error(`not a line of a unit file: ${line}`);
  }
  return unit;
}

/** A unit of NixOS's options as the file that NixOS makes of it, without what NixOS adds by itself. */
export function unitOf(options: NixosUnit): Unit {
  const { description, before, after, requires, wants, partOf, wantedBy } = options;
  const lists = { Before: before, After: after, Requires: requires, Wants: wants, PartOf: partOf };
  const head = { Description: description, ...lists, ...options.unitConfig };
  return sections({
    Unit: head,
    Service: options.serviceConfig ?? {},
    Socket: options.socketConfig ?? {},
    Install: { WantedBy: wantedBy },
  });
}

/** Sections in systemd's words, as Home Manager has them, as the file that is made of them. */
export function sections(unit: Readonly<Record<string, Section>>): Unit {
  const filled = Object.entries(unit).flatMap(([name, section]) => {
    const entries = Object.entries(section).map(([key, value]) => [key, [value].flat().join(' ')] as const);
    const used = entries.filter(([, value]) => value !== '');
    return used.length === 0 ? [] : [[name, Object.fromEntries(used)] as const];
  });
  return Object.fromEntries(filled);
}
