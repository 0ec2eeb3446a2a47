import type { Component } from '../../sandbox/components.ts';
import type { ContainerdVersion } from '../../sandbox/containerd.ts';
import type { Suite } from '../../sandbox/debian-base.ts';

/** The containerds beside Debian trixie's that `load` is tried on. */
export const OTHER_CONTAINERDS: readonly {
  readonly suite: Suite;
  readonly version: ContainerdVersion;
  readonly needs: readonly Component[];
}[] = [
  { suite: 'sid', version: 'debian', needs: ['debian-sid', 'nerdctl'] },
  { suite: 'trixie', version: '2.3', needs: ['containerd-2.3', 'nerdctl'] },
  { suite: 'trixie', version: '2.4', needs: ['containerd-2.4', 'nerdctl'] },
];
