/**
 * What a terminal would act on instead of showing it: control characters but for the newline (C0, DEL, C1), and those that turn the
 * direction of text. Source: ECMA-48, 5; Unicode Standard Annex 9, "Directional Formatting Characters".
 */
// eslint-disable-next-line no-control-regex -- control characters are what it is about
const CONTROL = /[\0-\t\v-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** CSI sequences (colours, cursor) and OSC sequences (titles, links): ECMA-48, xterm control sequences. */
const ESC = String.fromCodePoint(0x1b);
const BEL = String.fromCodePoint(0x07);
const ESCAPES = new RegExp(`${ESC}(?:\\[[0-9;?]*[ -/]*[@-~]|\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\))`, 'g');

/**
 * Text that can be shown on a terminal whoever wrote the names in it: control characters as `\u009b`, the rest as it is. JSON stays
 * the same JSON.
 */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Text that others wrote, as one line of a message: without terminal escapes, and without what a terminal would act on. */
export function cleanText(text: string): string {
  return text
    .replaceAll(ESCAPES, '')
    .replaceAll(CONTROL, ' ')
    .replaceAll(/[\n ]+/g, ' ')
    .trim();
}
