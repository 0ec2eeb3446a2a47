import { messageOf, StatusError } from '../errors.ts';
import type { Background } from '../host/background.ts';
import { makeSnapshotDirectory, removeTree } from '../host/snapshot-directory.ts';
import type { KeyedMutex } from '../host/mutex.ts';
import type { Log } from '../log.ts';
import type { MetadataStore } from '../metadata/store.ts';
import { isTaken } from './chain.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { LayerViews } from './layer-views.ts';
import type { Layout } from './layout.ts';
import { makeMountPoints } from './mount-points.ts';
import type { Expectation, Step } from './steps.ts';

export interface ExecutorDeps {
  readonly layout: Layout;
  readonly store: MetadataStore;
  readonly roots: LayerRoots;
  readonly views: Pick<LayerViews, 'warmLater' | 'collect'>;
  readonly mutex: KeyedMutex;
  /** Takes the removal of directories, so that containerd's GC does not wait with its lock held. */
  readonly background: Background;
  readonly log: Log;
}

type Undo = () => Promise<void>;
type StepOf<T extends Step['type']> = Extract<Step, { type: T }>;
/** One executor a step type; what it returns takes the step back. */
type Executors = {
  readonly [T in Step['type']]: (step: StepOf<T>, signal: AbortSignal | undefined) => Promise<Undo | void>;
};

/** The key under which changes of the metadata follow each other; no snapshot key contains a NUL. */
const METADATA_QUEUE = '\0metadata';

/** Carries out plans: the only place where snapshot operations have effects. */
export class Executor {
  readonly #deps: ExecutorDeps;
  readonly #executors: Executors;

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
    const { layout, roots, views, background } = deps;
    this.#executors = {
      realise: async ({ id, closure }, signal) => {
        await roots.secure(id, closure, signal);
        return () => roots.release(id);
      },
      'make-directory': ({ id, kind, owner }) => {
        makeSnapshotDirectory(layout.snapshots, id, kind === 'active', owner);
        return Promise.resolve(() => removeTree(layout.directory(id)));
      },
      'make-mount-points': ({ id, mountPoints }) => makeMountPoints(layout.fs(id), mountPoints),
      put: ({ expect, changes }) =>
        deps.mutex.run([METADATA_QUEUE], async () => {
          for (const expectation of expect) check(deps.store, expectation);
          await deps.store.apply(changes);
        }),
      'realise-later': ({ id, closure }) => {
        roots.secureLater(id, closure);
        return Promise.resolve();
      },
      'show-later': ({ id, closure }) => {
        views.warmLater({ id, closure });
        return Promise.resolve();
      },
      'collect-views': () => {
        background.add('collect views', async () => {
          await views.collect();
        });
        return Promise.resolve();
      },
      'remove-directory': ({ id }) => {
        background.add(`remove ${layout.directory(id)}`, () => removeTree(layout.directory(id)));
        return Promise.resolve();
      },
      'remove-roots': ({ id }) => roots.release(id),
      'note-use': ({ id }) => roots.noteUse(id),
      'retire-roots': ({ id }) => roots.retire(id),
    };
  }

  /**
   * Runs the steps in order. A failure before the `put` (or in it) takes back what was done, last first, and is
   * thrown; a failure after it is logged: the change is made, and Cleanup or the next start removes what is left.
   */
  async run(steps: readonly Step[], signal?: AbortSignal): Promise<void> {
    const undo: Undo[] = [];
    let done = false;
    for (const step of steps) {
      try {
        const taken = await this.#execute(step, signal);
        if (taken !== undefined) undo.push(taken);
        done ||= step.type === 'put';
      } catch (error) {
        if (!done) {
          await this.#takeBack(undo);
          throw error;
        }
        this.#deps.log.warn(
          { step: step.type, error: messageOf(error) },
          'clean-up failed; Cleanup tries again',
        );
      }
    }
  }

  #execute<T extends Step['type']>(step: StepOf<T>, signal: AbortSignal | undefined): Promise<Undo | void> {
    const executor = this.#executors[step.type];
    return executor(step, signal);
  }

  async #takeBack(undo: Undo[]): Promise<void> {
    for (const take of undo.toReversed()) {
      try {
        await take();
      } catch (error) {
        this.#deps.log.warn({ error: messageOf(error) }, 'taking back a step failed; Cleanup tries again');
      }
    }
  }
}

function check(store: MetadataStore, expectation: Expectation): void {
  const key = JSON.stringify(expectation.key);
  switch (expectation.type) {
    case 'free':
      if (isTaken(store, expectation.key)) {
        throw new StatusError('AlreadyExists', `snapshot ${key}: already exists`);
      }
      return;
    case 'committed':
      if (store.get(expectation.key)?.kind !== 'committed') {
        throw new StatusError('NotFound', `missing parent ${key} bucket: not found`);
      }
      return;
    case 'unchanged':
      if (store.get(expectation.key)?.id !== expectation.id) {
        throw new StatusError('NotFound', `snapshot ${key} was removed meanwhile: not found`);
      }
      return;
    case 'childless':
      if (store.hasChildren(expectation.key)) {
        throw new StatusError(
          'FailedPrecondition',
          `failed to remove snapshot ${key}: cannot remove snapshot with child: failed precondition`,
        );
      }
  }
}
