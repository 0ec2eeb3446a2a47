/** Release lines of containerd, in the order of the columns. */
export const RELEASES = ['1.7', '2.1', '2.2', '2.3', '2.4'] as const;
export type Release = (typeof RELEASES)[number];

/** Each Nix that tests run on, by the Debian release that it is of, oldest first. */
export const NIXES = [
  { suite: 'trixie', release: '2.26' },
  { suite: 'sid', release: '2.34' },
] as const;

export type NixRelease = (typeof NIXES)[number]['release'];

/** Tests that prove a feature: a suite, by how its name begins, or some of its tests, each by a part of its name. */
export interface Proof {
  readonly suite: string;
  readonly tests?: readonly string[];
}

/** A row of the compatibility page. */
export interface Feature {
  readonly feature: string;
  readonly proofs: readonly Proof[];
  /** The view that the tests are to run with, where they run with several. */
  readonly view?: 'binds' | 'store';
  /** What a cell says that no test of `npm test` stands behind. */
  readonly instead?: Readonly<Partial<Record<Release | NixRelease, string>>>;
}

const FULL = 'by `npm run test:full`';

export const FEATURES: readonly Feature[] = [
  {
    feature: 'ordinary images',
    proofs: [{ suite: 'ordinary and Nix layers interleaved', tests: ['runs beside an unmodified image'] }],
  },
  {
    feature: 'Nix layers between ordinary layers',
    proofs: [{ suite: 'ordinary and Nix layers interleaved', tests: ['runs programs of both Nix layers'] }],
  },
  {
    feature: 'named users and supplementary groups',
    proofs: [
      {
        suite: 'ordinary and Nix layers interleaved',
        tests: ['finds a named user and its groups', 'runs as a pod whose image names its user'],
      },
    ],
  },
  {
    feature: 'images of the Go `nix2container`, both annotation formats',
    proofs: [{ suite: 'images of the Go nix2container' }],
  },
  {
    feature: 'plain `ctr image import`, which drops layer annotations',
    proofs: [{ suite: 'imported Nix images' }],
    instead: { '2.1': FULL, '2.3': FULL },
  },
  {
    feature: '`VOLUME` with nerdctl and CRI; `nerdctl cp`, `export`, `commit`, `diff`',
    proofs: [
      {
        suite: 'closures in containers',
        tests: [
          'nerdctl: a volume of the image',
          'nerdctl: cp with',
          'nerdctl: export',
          'nerdctl: commit',
          'nerdctl: diff',
          'CRI: a volume of the image',
        ],
      },
    ],
  },
  {
    feature: '`nix:0/nix/store/…` with no registry: ctr, nerdctl, CRI ([resolver](resolver.md))',
    proofs: [{ suite: 'store paths as images' }],
    instead: { '2.1': FULL, '2.3': FULL },
  },
  {
    feature: "`nix:0/nix/store/…` by CRI's [image service](cri.md)",
    proofs: [{ suite: 'CRI image service' }],
    instead: { '2.1': FULL, '2.2': FULL, '2.3': FULL },
  },
  {
    feature: 'derivations and flakes that are [built](resolver.md#building) at pull',
    proofs: [{ suite: 'what a node makes itself' }],
    instead: { '1.7': FULL },
  },
  { feature: '[ctr](clients.md#ctr)', proofs: [{ suite: 'ctr with Nix images' }] },
  {
    feature: '[crictl](clients.md#crictl)',
    proofs: [{ suite: 'crictl with Nix images' }],
    instead: { '2.1': FULL, '2.4': FULL },
  },
  {
    feature: '[nerdctl](clients.md#nerdctl), compose too',
    proofs: [{ suite: 'nerdctl with Nix images', tests: ['run:', 'compose:', 'commit:'] }],
    instead: { '2.1': FULL, '2.4': FULL },
  },
  {
    feature: '[`nerdctl build`](clients.md#nerdctl-build) from Nix images and store paths',
    proofs: [{ suite: 'nerdctl build from Nix images' }],
    instead: { '1.7': FULL, '2.1': FULL, '2.4': FULL },
  },
  {
    feature:
      'dockerd with our snapshotter: run, exec, cp, commit, build ([Docker](podman-docker.md#dockerd))',
    proofs: [{ suite: 'dockerd, with containerd', tests: ['exec, cp, diff, commit and build'] }],
    instead: { '2.3': FULL, '2.4': FULL },
  },
  {
    feature: '[ordinary layers](podman-docker.md) of store paths: plain overlayfs, skopeo',
    proofs: [{ suite: 'ordinary layers of store paths' }],
    instead: { '2.4': FULL },
  },
  {
    feature: 'images whose [layers hold store paths](nix2container.md), which our nodes do not download',
    proofs: [{ suite: 'an image whose layers hold store paths' }],
    instead: { '2.1': FULL, '2.3': FULL },
  },
  {
    feature: 'images of the [Nix functions](nix.md)',
    proofs: [{ suite: 'images of the Nix functions' }],
    instead: { '2.3': FULL },
  },
  { feature: '[example images](nix.md#examples)', proofs: [{ suite: 'examples,' }] },
  {
    feature: 'files that the [NixOS module](nixos.md) makes',
    proofs: [{ suite: 'a node with the files that NixOS makes' }],
    instead: { '1.7': FULL, '2.1': FULL, '2.4': FULL },
  },
  { feature: '[rootless](rootless.md), under RootlessKit', proofs: [{ suite: 'rootless containerd' }] },
  {
    feature: 'a real [Kubernetes](kubernetes.md) 1.36 of one node',
    proofs: [{ suite: 'Kubernetes,' }],
    instead: { '1.7': FULL, '2.1': FULL, '2.4': FULL },
  },
  {
    feature: 'images as volumes of a pod',
    proofs: [{ suite: 'crictl with Nix images', tests: ['an image as a volume'] }],
    instead: { '1.7': 'no, not in its CRI', '2.1': FULL, '2.4': FULL },
  },
  {
    feature: 'user-namespaced pods of Nix images',
    proofs: [{ suite: 'user-namespaced pods' }],
    instead: { '1.7': 'no, [why](views.md#user-namespaced-containers)', '2.3': FULL },
  },
  { feature: 'gVisor', proofs: [{ suite: 'gVisor' }], instead: { '2.1': FULL, '2.3': FULL } },
  {
    feature: "a part of CRI's conformance tests ([critest](clients.md#critest))",
    proofs: [{ suite: 'a part of critest' }],
    instead: { '1.7': FULL, '2.4': FULL },
  },
  {
    feature: '[waiting without containerd’s lock](configuration.md#waiting-without-containerds-lock)',
    proofs: [{ suite: 'prepare.wait = "apply"' }],
    instead: { '2.3': FULL },
  },
  {
    feature: 'a node’s [policy](policy.md) at every door',
    proofs: [{ suite: 'policy' }],
    instead: { '1.7': FULL, '2.1': FULL, '2.3': FULL },
  },
  { feature: '[setup](setup.md) of a node', proofs: [{ suite: 'setup and main files' }] },
  { feature: 'view `overlay`', proofs: [{ suite: 'closures in containers' }] },
  {
    feature: 'view `binds`',
    view: 'binds',
    proofs: [{ suite: 'closures in containers' }],
    instead: { '1.7': FULL },
  },
  {
    feature: 'view `store`',
    view: 'store',
    proofs: [{ suite: 'closures in containers' }],
    instead: { '2.3': FULL },
  },
];

/** What is tested with each Nix, whatever containerd. */
export const NIX_FEATURES: readonly Feature[] = [
  {
    feature: "the worker protocol on the daemon's socket",
    proofs: [{ suite: 'Nix of Debian', tests: ['by socket'] }],
    instead: { '2.26': FULL },
  },
  {
    feature: 'the same with a `nix-daemon --stdio` of our own',
    proofs: [{ suite: 'Nix of Debian', tests: ['by stdio'] }],
    instead: { '2.34': FULL },
  },
  {
    feature: '`nix-store`, a process for each call',
    proofs: [{ suite: 'Nix of Debian', tests: ['by nix-store'] }],
    instead: { '2.34': FULL },
  },
  { feature: 'the [flake](nix.md), with a stand-in for nixpkgs', proofs: [{ suite: 'flake,' }] },
  {
    feature: 'the [modules](nixos.md), with a stand-in for nixpkgs',
    proofs: [{ suite: 'NixOS and Home Manager modules' }],
  },
];
