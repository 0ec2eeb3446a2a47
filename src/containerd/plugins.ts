/** CRI, images and all, in configuration of version 2. */
export const CRI_1 = 'io.containerd.grpc.v1.cri';
/** CRI's images in configuration of version 3 and newer. */
export const CRI_2 = 'io.containerd.cri.v1.images';
export const TRANSFER = 'io.containerd.transfer.v1.local';

export const CONTAINERD_CONFIG = '/etc/containerd/config.toml';
/** What containerd reads `hosts.toml` files from unless told (2.2 and later), and what setup writes. */
export const HOSTS_DIRS = '/etc/containerd/certs.d:/etc/docker/certs.d';
