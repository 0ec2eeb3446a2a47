import { join } from 'node:path';
import { messageOf, StatusError } from '../errors.ts';
import type { Background } from '../host/background.ts';
import { makeSnapshotDirectory } from '../host/snapshot-directory.ts';
import type { KeyedMutex } from '../host/mutex.ts';
import type { Log } from '../log.ts';
import { COPY_NAME, copyText, type RecordCopies } from '../metadata/record-copies.ts';
import type { MetadataStore } from '../metadata/store.ts';
import { isTaken } from './chain.ts';
import type { LayerRoots } from './layer-roots.ts';
import type { LayerViews } from './layer-views.ts';
import type { Layout } from './layout.ts';
import { makeMountPoints } from './mount-points.ts';
import type { Boundary, Expectation, OnBoundary, Step } from './steps.ts';

export interface ExecutorDeps {
  readonly layout: Layout;
  readonly store: MetadataStore;
  readonly copies: RecordCopies;
  readonly roots: LayerRoots;
  readonly views: Pick<LayerViews, 'warmLater' | 'collect'>;
  readonly mutex: KeyedMutex;
  /** Takes the removal of directories, so that containerd's GC does not wait with its lock held. */
  readonly background: Background;
  /** Removes a directory with all below it. */
  readonly removeTree: (directory: string) => Promise<void>;
  readonly log: Log;
  readonly onBoundary?: OnBoundary | undefined;
}

type Undo = () => Promise<void>;
interface Taken {
  readonly step: Step['type'];
  readonly take: Undo;
}
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
    const { layout, copies, roots, views, removeTree } = deps;
    const inBackground = (step: Step['type'], what: string, work: () => Promise<unknown>) => {
      deps.background.add(what, () => this.#atWork(step, work));
      return Promise.resolve();
    };
    this.#executors = {
      realise: async ({ id, closure, subject }, signal) => {
        await roots.secure(id, closure, signal, subject);
        return () => roots.release(id);
      },
      'make-directory': ({ record, owner }) => {
        const { id, kind } = record;
        const files = new Map([[COPY_NAME, copyText(record)]]);
        makeSnapshotDirectory(layout.snapshots, { id, withWork: kind === 'active', owner, files });
        return Promise.resolve(() => removeTree(layout.directory(id)));
      },
      'make-mount-points': ({ id, mountPoints }) => makeMountPoints(layout.fs(id), mountPoints),
      put: ({ expect, changes }) =>
        deps.mutex.run([METADATA_QUEUE], async () => {
          for (const expectation of expect) check(deps.store, expectation);
          await deps.store.apply(changes);
        }),
      'copy-record': ({ record }) => {
        copies.write(record);
        return Promise.resolve();
      },
      'realise-later': ({ id, closure }) => {
        void this.#atWork('realise-later', () => roots.secureLater(id, closure));
        return Promise.resolve();
      },
      'show-later': ({ id, closure }) => {
        void this.#atWork('show-later', () => views.warmLater({ id, closure }));
        return Promise.resolve();
      },
      'collect-views': () => inBackground('collect-views', 'collect views', () => views.collect()),
      'remove-directory': ({ id }) => {
        const directory = layout.directory(id);
        return inBackground('remove-directory', `remove ${directory}`, () => removeTree(directory));
      },
      'remove-roots': ({ id }) => roots.release(id),
      'note-use': ({ id }) => roots.noteUse(id),
      'retire-roots': ({ id }) => roots.retire(id),
      'remove-garbage': ({ name }) => removeTree(join(layout.snapshots, name)),
    };
  }

  /**
   * Runs the steps in order. A failure before the `put` (or in it) takes back what was done, last first, and is
   * thrown; a failure after it is logged: the change is made, and Cleanup or the next start removes what is left.
   */
  async run(steps: readonly Step[], signal?: AbortSignal): Promise<void> {
    const undo: Taken[] = [];
    let done = false;
    for (const step of steps) {
      try {
        this.#cross(step.type, 'before');
        const taken = await this.#execute(step, signal);
        if (taken !== undefined) undo.push({ step: step.type, take: taken });
        done ||= step.type === 'put';
        this.#cross(step.type, 'after');
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

  /** Work that goes on after its step. */
  async #atWork(step: Step['type'], work: () => Promise<unknown>): Promise<void> {
    this.#cross(step, 'before work');
    await work();
    this.#cross(step, 'after work');
  }

  #cross(step: Step['type'], at: Boundary['at']): void {
    this.#deps.onBoundary?.({ step, at });
  }

  #execute<T extends Step['type']>(step: StepOf<T>, signal: AbortSignal | undefined): Promise<Undo | void> {
    const executor = this.#executors[step.type];
    return executor(step, signal);
  }

  async #takeBack(undo: readonly Taken[]): Promise<void> {
    for (const { step, take } of undo.toReversed()) {
      try {
        this.#cross(step, 'before undo');
        await take();
        this.#cross(step, 'after undo');
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
