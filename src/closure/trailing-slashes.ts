/** A path without the slashes at its end; linear in time, as `/\/+$/` is not. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end--;
  return path.slice(0, end);
}
