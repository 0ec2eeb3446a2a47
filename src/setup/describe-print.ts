import type { FileChange } from './file-change.ts';

/** Files to be placed by hand, each with a line that says where and how. */
export function describePrint(changes: readonly FileChange[]): string {
  return changes
    .map(({ path, text, mode, removal }) => {
      if (removal.kind === 'lines') return `# add to ${path}\n${removal.lines.join('\n')}\n`;
      if (removal.kind !== 'file') return `# merge into ${path}, mode 0${mode.toString(8)}\n${text}`;
      return `# ${path}, mode 0${mode.toString(8)}\n${text}`;
    })
    .join('\n');
}
