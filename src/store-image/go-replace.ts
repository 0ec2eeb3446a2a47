import type { Matcher, RE2JS } from 're2js';

/** Go's number of a group stops being one here (Go `regexp.go`, extract). */
const MAX_GROUP = 1e8;
/** What follows a `$` in a template: a name in braces, or the longest one without. */
const VARIABLE = /^(?:\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/u;

/**
 * Replaces every match as Go's `Regexp.ReplaceAllString`: the template's grammar is that of `Regexp.Expand`
 * (https://pkg.go.dev/regexp#Regexp.Expand), and an empty match right after another one is none.
 */
export function goReplaceAll(expression: RE2JS, text: string, template: string): string {
  const matcher = expression.matcher(text);
  let replaced = '';
  let end = 0;
  while (matcher.find()) {
    replaced += text.slice(end, matcher.start());
    if (matcher.end() > end || matcher.start() === 0) replaced += expand(template, matcher);
    end = matcher.end();
  }
  return replaced + text.slice(end);
}

/** `$1`, `${1}`, `$name`, `${name}`: the group, or nothing where there is none; `$$`: a `$`; any other `$` is itself. */
function expand(template: string, matcher: Matcher): string {
  const [head = '', ...tail] = template.split('$');
  let expanded = head;
  let isEscaped = false;
  for (const [index, text] of tail.entries()) {
    if (isEscaped) {
      // The second `$` of two: what follows is text.
      isEscaped = false;
      expanded += text;
      continue;
    }
    if (text === '' && index < tail.length - 1) {
      isEscaped = true;
      expanded += '$';
      continue;
    }
    const variable = VARIABLE.exec(text);
    expanded +=
      variable === null
        ? `$${text}`
        : groupOf(matcher, variable[1] ?? variable[2] ?? '') + text.slice(variable[0].length);
  }
  return expanded;
}

function groupOf(matcher: Matcher, name: string): string {
  const isNumber = /^(?:0|[1-9][0-9]*)$/.test(name) && Number(name) < MAX_GROUP;
  if (isNumber) return Number(name) <= matcher.groupCount() ? (matcher.group(Number(name)) ?? '') : '';
  return Object.hasOwn(matcher.namedGroups, name) ? (matcher.group(name) ?? '') : '';
}
