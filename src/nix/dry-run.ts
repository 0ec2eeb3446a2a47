import { parseStorePath, type StorePath } from '../closure/store-path.ts';

/** `these 3 paths will be fetched (0.01 MiB download, 1.2 MiB unpacked):` Source: nix `src/libmain/shared.cc`, printMissing. */
const WILL_BE_FETCHED =
  /^th(?:is path|ese \d+ paths) will be fetched \(.*[, ]([\d.]+) (B|[KMGT]iB) unpacked\):$/;
const UNIT: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Reads what `nix-store --realise --dry-run` prints on stderr: what would be fetched. */
export class DryRun {
  readonly fetched: StorePath[] = [];
  /** NAR bytes of all of these, as exact as Nix prints them. */
  bytes = 0;
  #listing = false;

  add(line: string): void {
    const header = WILL_BE_FETCHED.exec(line);
    if (header !== null) this.bytes += Number(header[1]) * (UNIT[header[2] ?? ''] ?? 0);
    const path = line.startsWith('  ') ? parseStorePath(line.trim()) : undefined;
    if (path === undefined) this.#listing = header !== null;
    else if (this.#listing) this.fetched.push(path);
  }
}
