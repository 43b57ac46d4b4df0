import { chrootPathOf } from './file-name.ts';
import type { Outcome } from './outcome.ts';
import type { Fold, Partners } from './session-of.ts';
import type { WitnessWatch } from './witness-watch.ts';

/** Tells the witness of a file that the log knows. */
export function noteKnown(witness: WitnessWatch | undefined, outcome: Outcome): void {
  if (witness === undefined) return;
  if (outcome.kind === 'whole' || outcome.kind === 'partial') {
    const { user, path, uploadedAs } = outcome.upload;
    witness.noteKnown(`${user}${path}`);
    if (uploadedAs !== null) witness.noteKnown(`${user}${uploadedAs}`);
  } else if (outcome.kind === 'moved') witness.noteKnown(`${outcome.actor.user}${outcome.to}`);
  else if (outcome.kind === 'activity' && outcome.type === 'SETSTAT')
    witness.noteKnown(`${outcome.actor?.user}${outcome.fields.path}`);
}

/** Whether the log knows a file because it is being written, or waits for its rename. */
export function isOpen(fold: Fold, partners: Partners, path: string): boolean {
  for (const session of fold.sessions.values()) {
    if (!path.startsWith(`${session.user}/`)) continue;
    const inside = path.slice(session.user?.length ?? 0);
    const start = partners.startDirectory(session.user);
    if (session.held.some((upload) => upload.path === inside)) return true;
    if (session.handles.some(({ name, movedTo }) => (movedTo ?? chrootPathOf(name, start)) === inside))
      return true;
  }
  return false;
}
