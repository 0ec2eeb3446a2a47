import { failure, fine, type Finding, warning } from './finding.ts';

/** What hinders containers without root, in one line with what to do. */
export interface RootlessHindrance {
  readonly isFatal: boolean;
  /** `<what>: <fix>`. */
  readonly text: string;
}

/** What of this host hinders the containers of a user without root. */
export function judgeRootless(problems: readonly RootlessHindrance[]): readonly Finding[] {
  if (problems.length === 0) return [fine('rootless', 'nothing hinders containers without root here')];
  return problems.map(({ isFatal, text }) => {
    const at = text.indexOf(': ');
    const [what, fix] = at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + 2)];
    const why = isFatal
      ? 'no container of this user starts'
      : 'containers of this user may fail, or end early';
    return (isFatal ? failure : warning)(`rootless-${isFatal ? 'hindered' : 'limited'}`, { what, why, fix });
  });
}
