/** What tests say of a container; the rest of it is a Kubernetes `Container`. */
export interface ContainerSpec extends Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly image: string;
}

/** What tests say of a pod; the rest of it is a Kubernetes `PodSpec`. */
export interface PodSpec extends Readonly<Record<string, unknown>> {
  readonly containers: readonly ContainerSpec[];
}

/** A pod that ends soon after it is asked to. */
export function pod(name: string, spec: PodSpec): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } }, spec: ending(spec) };
}

export function deployment(name: string, spec: PodSpec, replicas = 1): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: ending(spec) },
    },
  };
}

export function job(name: string, spec: PodSpec): object {
  const template = { spec: { restartPolicy: 'Never', ...ending(spec) } };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { backoffLimit: 0, template } };
}

/** A container in which nothing happens. `sleep` of busybox, which has to be in its PATH. */
export function idle(name: string, image: string, further: object = {}): ContainerSpec {
  return { name, image, command: ['sleep', '100000'], ...further };
}

/** redis from its store path alone; ready when it accepts connections. */
export function redis(path: string, further: object = {}): ContainerSpec {
  return {
    name: 'redis',
    image: `nix:0${path}`,
    command: ['redis-server', '--protected-mode', 'no', '--save', ''],
    readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1 },
    ...further,
  };
}

/** Kubernetes waits half a minute for programs that do not know of SIGTERM, as process 1 of a container does not. */
function ending(spec: PodSpec): object {
  return { terminationGracePeriodSeconds: 1, ...spec };
}
