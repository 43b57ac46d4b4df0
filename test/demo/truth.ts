/** What the partners really did, kept by those who did it; everything the product says is compared with this. */
export interface Truth {
  /** Key in the bucket → content, of files that were uploaded whole. */
  readonly files: Map<string, Buffer>;
  /** Whole uploads, overwrites included. */
  uploads: number;
  bytes: number;
  partial: number;
}

export function emptyTruth(): Truth {
  return { files: new Map(), uploads: 0, bytes: 0, partial: 0 };
}

/** Remembers a whole upload of a user's into `upload/`. */
export function uploaded(truth: Truth, user: string, name: string, content: Buffer): void {
  truth.files.set(`${user}/upload/${name}`, content);
  truth.uploads += 1;
  truth.bytes += content.length;
}
