import { contentOf } from './random.ts';
import { overlaid, pathsOf, type Step, uploadsOf } from './step.ts';
import { drop, type Expected, keep, md5, noteAdded, noteOperation, rename, type Truth } from './truth.ts';

/** A step has had its whole effect. @param sent bytes, for a step that sends what is missing or breaks off */
export function settle(truth: Truth, user: string, step: Step, sent?: number): void {
  const tell = (
    path: string,
    kind: Expected['kind'],
    bytes: number | null,
    sum: string | null,
    uploadedAs: string | null = null,
  ) => {
    truth.uploads.push({ user, path, uploadedAs, kind, bytes, md5: sum, at: Date.now() });
  };
  const whole = (path: string, content: Buffer, bytes: number | null, uploadedAs: string | null) => {
    keep(truth, user + path, content);
    tell(path, 'whole', bytes, md5(content), uploadedAs);
  };
  switch (step.kind) {
    case 'put':
      if (step.readsBack) noteOperation(truth, `CLOSE ${user}${step.path} ${step.content.size}`);
      if (step.temporary !== undefined) {
        noteOperation(truth, `RENAME ${user}${step.temporary} ${step.path}`);
        drop(truth, user + step.temporary);
      }
      whole(step.path, contentOf(step.content), step.content.size, step.temporary ?? null);
      return;
    case 'append': {
      const before = truth.files.get(user + step.path);
      if (before === undefined) {
        // What it was added to is in doubt, so what it became is, too.
        truth.unsettled.add(user + step.path);
        tell(step.path, 'whole', step.content.size, null);
      } else {
        const after = Buffer.concat([before, contentOf(step.content)]);
        noteAdded(truth, before, after);
        whole(step.path, after, step.content.size, null);
      }
      return;
    }
    case 'resume':
      whole(step.path, contentOf(step.content), sent ?? null, null);
      return;
    case 'interrupt':
    case 'vanish':
    case 'overflow': {
      const bytes = step.kind === 'interrupt' ? (sent ?? null) : null;
      truth.unsettled.add(user + step.path);
      truth.files.delete(user + step.path);
      tell(step.path, 'partial', bytes, null);
      return;
    }
    case 'remove-open':
      whole(step.path, contentOf(step.content), step.content.size, null);
      noteOperation(truth, `DELETE ${user}${step.path}`);
      drop(truth, user + step.path);
      return;
    case 'rename-open':
      whole(step.to, contentOf(step.content), step.content.size, step.path);
      noteOperation(truth, `RENAME ${user}${step.path} ${step.to}`);
      drop(truth, user + step.path);
      return;
    case 'overlap': {
      const [first, second] = step.contents;
      const end = overlaid(contentOf(first), contentOf(second), step.before);
      whole(step.path, end, first.size, null);
      whole(step.path, end, second.size, null);
      return;
    }
    case 'in-turn':
      for (const content of step.contents) whole(step.path, contentOf(content), content.size, null);
      return;
    case 'send-again':
      // The file is the second's, although the first is told later.
      tell(step.path, 'partial', Math.floor(step.content.size / 2), null);
      whole(step.path, contentOf(step.content), step.content.size, null);
      return;
    case 'get':
      noteOperation(truth, `CLOSE ${user}${step.path} ${truth.files.get(user + step.path)?.length ?? sent}`);
      return;
    case 'remove':
      noteOperation(truth, `DELETE ${user}${step.path}`);
      drop(truth, user + step.path);
      return;
    case 'rename':
      noteOperation(truth, `RENAME ${user}${step.from} ${step.to}`);
      rename(truth, user + step.from, user + step.to);
      return;
    case 'mkdir':
      noteOperation(truth, `MKDIR ${user}${step.path}`);
      return;
    case 'trespass':
      noteOperation(truth, `ERROR ${user}${step.path} open`);
  }
}

/** An upload whose lines were taken away before anybody read them: the file is there, and no word of it. */
export function settleUntold(truth: Truth, user: string, path: string, content: Buffer): void {
  keep(truth, user + path, content);
}

/** The session broke while a step was under way. */
export function doubt(truth: Truth, user: string, step: Step, reason: string): void {
  const before = 'path' in step ? truth.files.get(user + step.path) : undefined;
  const content = 'content' in step ? contentOf(step.content) : null;
  const after =
    step.kind !== 'append' || content === null
      ? content
      : before === undefined
        ? null
        : Buffer.concat([before, content]);
  if (step.kind === 'append' && before !== undefined && after !== null) noteAdded(truth, before, after);
  // Any of its uploads may have happened.
  for (let count = Math.max(1, uploadsOf(step)); count > 0; count -= 1)
    truth.doubts.push({ user, step, md5: after === null ? null : md5(after), reason });
  for (const path of pathsOf(step)) {
    for (const key of [...truth.files.keys()]) {
      if (key !== user + path && !key.startsWith(`${user}${path}/`)) continue;
      truth.files.delete(key);
      truth.unsettled.add(key);
    }
    truth.unsettled.add(user + path);
  }
}
