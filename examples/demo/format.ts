/** A number of bytes for people: exact below 10 kB, then in decimal units. */
export function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes.toLocaleString('en')} bytes`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(0)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Milliseconds as seconds, `0.21 s`. */
export function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

/** `1 store path`, `3 store paths`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Store paths in a text, each with only the start of its hash: they are too long for a terminal. */
export function shortenStorePaths(text: string): string {
  return text.replaceAll(/(\/nix\/store\/[0-9a-z]{6})[0-9a-z]{26}-/g, '$1…-');
}

/**
 * Fills lines with units that are not broken, separated by spaces, each line at most `width` characters with the
 * `joint` that ends all but the last one. A longer unit has a line of its own.
 */
export function fillLines(units: readonly string[], width: number, joint = ''): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const unit of units) {
    if (line !== '' && line.length + 1 + unit.length + joint.length > width) {
      lines.push(line + joint);
      line = '';
    }
    line = line === '' ? unit : `${line} ${unit}`;
  }
  return [...lines, line];
}

/** A command as it would be typed, in units for {@link fillLines}: an option stays with the word after it. */
export function commandUnits(command: readonly string[]): readonly string[] {
  const units: string[] = [];
  let afterOption = false;
  for (const word of command) {
    const typed = /[\s'"$*;|&<>]/.test(word) ? `'${word}'` : word;
    const isOption = word.startsWith('-');
    if (afterOption && !isOption) units.push(`${units.pop() ?? ''} ${typed}`);
    else units.push(typed);
    afterOption = isOption;
  }
  return units.map(shortenStorePaths);
}
