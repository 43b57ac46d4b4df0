/**
 * Which directories may have something below them: a Bloom filter of one hash, whose size is fixed however many paths
 * there are and however deep. It may take a directory for one that has, never one that has for one that has not.
 */
export type DirectoryFilter = Uint32Array;

const SLASH = 47;
// FNV-1a (https://www.rfc-editor.org/rfc/rfc9923), which hashes all beginnings of a path in one pass.
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** @param bits a power of two, 32 or more */
export function createDirectoryFilter(bits: number): DirectoryFilter {
  return new Uint32Array(bits / 32);
}

/** Takes in all directories that a path lies in. */
export function addPath(filter: DirectoryFilter, path: string): void {
  let hash = FNV_OFFSET;
  for (let at = 0; at < path.length; at += 1) {
    const code = path.charCodeAt(at);
    if (code === SLASH) {
      const bit = bitOf(filter, hash);
      filter[bit >>> 5] = (filter[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
    hash = Math.imul(hash ^ code, FNV_PRIME);
  }
}

/** @param path without a slash at its end */
export function mayHaveBelow(filter: DirectoryFilter, path: string): boolean {
  let hash = FNV_OFFSET;
  for (let at = 0; at < path.length; at += 1) hash = Math.imul(hash ^ path.charCodeAt(at), FNV_PRIME);
  const bit = bitOf(filter, hash);
  return ((filter[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
}

function bitOf(filter: DirectoryFilter, hash: number): number {
  return ((hash ^ (hash >>> 15)) >>> 0) % (filter.length * 32);
}
