import type { ExecOptions, ExecResult } from '../../sandbox/sandbox.ts';
import { type Container, runContainer, startContainer } from '../support/container.ts';
import { type Footprint, footprint } from '../support/footprint.ts';
import type { ViewRow } from '../support/matrix.ts';
import { Rig } from '../support/rig.ts';
import { IMAGES, type ImagesClosure, NAMESPACE, type Packages, loadImages } from './images.ts';

/** What the properties of a view are asked of: a node with the images, and ways to run containers of them. */
export class Subject {
  readonly row: ViewRow;
  readonly rig: Rig;
  readonly packages: Packages;
  /** Two store paths with one file each, of the same content. */
  readonly twins: readonly string[];
  /** Store paths of the images, sorted. */
  readonly closure: readonly string[];
  /** What the node had before the images. */
  readonly bare: Footprint;
  #containers = 0;

  constructor(options: { row: ViewRow; closure: ImagesClosure; bare: Footprint }, deps: { rig: Rig }) {
    this.row = options.row;
    this.bare = options.bare;
    this.twins = options.closure.twins;
    this.packages = options.closure.packages;
    this.closure = options.closure.paths;
    this.rig = deps.rig;
  }

  static async up(row: ViewRow): Promise<Subject> {
    const rig = await Rig.up({ row, cri: true });
    try {
      const bare = await footprint(rig);
      return new Subject({ row, bare, closure: await loadImages(rig) }, { rig });
    } catch (error) {
      await rig.down();
      throw error;
    }
  }

  /** `ctr`, in the images' namespace. */
  async ctr(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await this.rig.containerd.ctr(['-n', NAMESPACE, ...args], options);
  }

  /** nerdctl, in the images' namespace and with our snapshotter. */
  async nerdctl(args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await this.rig.containerd.nerdctl(['-n', NAMESPACE, '--snapshotter', 'nix', ...args], options);
  }

  /** What a shell text prints in a container of its own. */
  async run(text: string, image: string = IMAGES.plain): Promise<string> {
    const options = { namespace: NAMESPACE, image, id: this.#nextId() };
    return (await runContainer(this.rig, options, ['sh', '-c', text])).stdout;
  }

  /** A container that goes on until it is disposed of. */
  async start(image: string = IMAGES.plain): Promise<Container> {
    return await startContainer(this.rig, { namespace: NAMESPACE, image, id: this.#nextId() });
  }

  /** Store paths that a container shows at `/nix/store`, sorted. */
  async shown(image?: string): Promise<readonly string[]> {
    const names = (await this.run('ls -A /nix/store', image)).split('\n');
    return names.map((name) => `/nix/store/${name}`).toSorted();
  }

  async down(): Promise<void> {
    await this.rig.down();
  }

  #nextId(): string {
    this.#containers += 1;
    return `container-${this.#containers}`;
  }
}
