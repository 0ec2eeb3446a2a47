/**
 * Whether all of `text` is what `pattern` says: `*` stands for any characters, slashes among them, and none; everything else for
 * itself. Each part between two stars is looked for once, so the time grows with the product of the lengths at most: patterns are
 * the administrator's, texts are anybody's.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  const [head = '', ...parts] = pattern.split('*');
  const tail = parts.pop();
  if (tail === undefined) return text === pattern;
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  const end = text.length - tail.length;
  let at = head.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return at <= end;
}

/** Whether one of the patterns matches one of the texts. */
export function matchesAny(patterns: readonly string[], texts: readonly string[]): boolean {
  return patterns.some((pattern) => texts.some((text) => matchesGlob(pattern, text)));
}
