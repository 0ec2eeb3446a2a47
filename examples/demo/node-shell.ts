import type { ExecOptions, ExecResult, Sandbox } from '../../test/sandbox/sandbox.ts';
import type { Report } from './report.ts';

export interface RunOptions extends ExecOptions {
  /** What of its output is printed: all of standard output unless told. */
  readonly show?: (result: ExecResult) => string;
}

/** Runs commands inside the node as a person would, and prints each with its time and output. */
export class NodeShell {
  readonly node: Sandbox;
  readonly report: Report;

  constructor(_options: object, deps: { node: Sandbox; report: Report }) {
    this.node = deps.node;
    this.report = deps.report;
  }

  /** @throws StatusError naming the command, its exit code and its last words. */
  async run(command: readonly string[], options: RunOptions = {}): Promise<ExecResult> {
    const { show = ({ stdout }) => stdout, ...rest } = options;
    const start = performance.now();
    const result = await this.node.exec(command, rest);
    this.report.command(command, performance.now() - start);
    const shown = show(result);
    if (shown !== '') this.report.output(shown);
    return result;
  }

  /** {@link run} without its output. */
  async quietly(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return await this.run(command, { ...options, show: () => '' });
  }
}
