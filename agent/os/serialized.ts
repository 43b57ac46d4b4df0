/**
 * Makes a write that may be asked for at any time run one at a time, each with what is known when it begins; callers
 * in the meantime share the next one.
 */
export function serialized(write: () => Promise<void>): () => Promise<void> {
  let current = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= current
      .catch(() => {})
      .then(() => {
        next = undefined;
        current = write();
        return current;
      });
    return next;
  };
}
