/** One mount as containerd's `types.Mount`; `target` is relative to the container's root, '' for the root itself. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}
