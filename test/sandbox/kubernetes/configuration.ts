/** Addresses of a node's cluster, in the node's own network. */
export const API_SERVER = 'https://127.0.0.1:6443';
export const ETCD = 'http://127.0.0.1:2379';
const ETCD_PEERS = 'http://127.0.0.1:2380';
/** The kubelet refuses to register a loopback address; this one never leaves the node either. */
export const NODE_ADDRESS = '10.99.77.1';
export const NODE_NAME = 'node1';

const DIR = '/etc/kubernetes';
const STATE = '/var/lib/kubernetes';
export const STATIC_PODS = `${DIR}/manifests`;
export const ADMIN_KUBECONFIG = `${DIR}/admin.json`;
const NODE_KUBECONFIG = `${DIR}/node.json`;
const TOKENS = `${DIR}/tokens.csv`;
export const KUBELET_CONFIG = `${DIR}/kubelet.json`;
export const SERVICE_ACCOUNT = { privateKey: `${DIR}/sa.key`, publicKey: `${DIR}/sa.pub` } as const;

/** The programs of a one-node cluster in the order of their start. */
export const SERVICES = ['etcd', 'apiserver', 'controller-manager', 'scheduler', 'kubelet'] as const;
export type Service = (typeof SERVICES)[number];

/** What differs between kubelets. */
export interface KubeletOptions {
  /** Socket of the CRI runtime. */
  readonly runtime: string;
  /** Socket of another CRI image service. */
  readonly imageService?: string;
  /** Settings of its configuration file, in place of {@link kubeletConfig}'s. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Files that the programs read, without the service-account keys and the kubelet's configuration. */
export function clusterFiles(): Readonly<Record<string, string>> {
  const tokens = { admin: 'admin-token', node: 'node-token' };
  return {
    [TOKENS]: [
      `${tokens.admin},admin,1,"system:masters"`,
      `${tokens.node},system:node:${NODE_NAME},2,"system:nodes"`,
      '',
    ].join('\n'),
    [ADMIN_KUBECONFIG]: kubeconfig(tokens.admin),
    [NODE_KUBECONFIG]: kubeconfig(tokens.node),
  };
}

function kubeconfig(token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: API_SERVER, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}

/** The kubelet's configuration file. kubelet.config.k8s.io/v1beta1, `KubeletConfiguration`. */
export function kubeletConfig({ runtime, imageService, settings }: KubeletOptions): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: NODE_ADDRESS,
    healthzBindAddress: '127.0.0.1',
    readOnlyPort: 0,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${runtime}`,
    ...(imageService === undefined ? {} : { imageServiceEndpoint: `unix://${imageService}` }),
    staticPodPath: STATIC_PODS,
    fileCheckFrequency: '1s',
    // Hybrid hierarchies of version 1 are allowed; the node's cgroup namespace is the top.
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    enforceNodeAllocatable: [],
    // Lowering it needs CAP_SYS_RESOURCE.
    oomScoreAdj: 0,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    resolvConf: '',
    // What other programs do to this machine's disk is no matter of the node's.
    evictionHard: { 'memory.available': '50Mi' },
    imageGCHighThresholdPercent: 100,
    // Tests wait for what it does in these intervals.
    crashLoopBackOff: { maxContainerRestartPeriod: '1s' },
    evictionPressureTransitionPeriod: '1s',
    volumeStatsAggPeriod: '5s',
    ...settings,
  });
}

/** Name of a service's program, and its flags. */
export function command(service: Service): readonly [program: string, ...flags: string[]] {
  switch (service) {
    case 'etcd':
      return [
        'server',
        `--data-dir=${STATE}/etcd`,
        `--listen-client-urls=${ETCD}`,
        `--advertise-client-urls=${ETCD}`,
        `--listen-peer-urls=${ETCD_PEERS}`,
        `--initial-advertise-peer-urls=${ETCD_PEERS}`,
        `--initial-cluster=default=${ETCD_PEERS}`,
        '--unsafe-no-fsync',
      ];
    case 'apiserver':
      return [
        'kube-apiserver',
        `--etcd-servers=${ETCD}`,
        '--bind-address=127.0.0.1',
        `--advertise-address=${NODE_ADDRESS}`,
        '--endpoint-reconciler-type=none',
        '--service-cluster-ip-range=10.96.77.0/24',
        `--cert-dir=${STATE}/apiserver`,
        `--token-auth-file=${TOKENS}`,
        '--authorization-mode=AlwaysAllow',
        '--allow-privileged=true',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-signing-key-file=${SERVICE_ACCOUNT.privateKey}`,
        `--service-account-key-file=${SERVICE_ACCOUNT.publicKey}`,
        '--kubelet-preferred-address-types=InternalIP',
      ];
    case 'controller-manager':
      return [
        'kube-controller-manager',
        `--kubeconfig=${ADMIN_KUBECONFIG}`,
        '--leader-elect=false',
        `--service-account-private-key-file=${SERVICE_ACCOUNT.privateKey}`,
        '--secure-port=0',
      ];
    case 'scheduler':
      return [
        'kube-scheduler',
        `--kubeconfig=${ADMIN_KUBECONFIG}`,
        '--leader-elect=false',
        '--secure-port=0',
      ];
    case 'kubelet':
      return [
        'kubelet',
        `--config=${KUBELET_CONFIG}`,
        `--kubeconfig=${NODE_KUBECONFIG}`,
        `--hostname-override=${NODE_NAME}`,
        `--node-ip=${NODE_ADDRESS}`,
        '--v=2',
      ];
  }
}
