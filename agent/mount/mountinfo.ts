/** One line of /proc/<pid>/mountinfo (proc_pid_mountinfo(5)), unescaped. */
export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of the file system, as it stands there. */
  readonly device: string;
  /** What of the file system is mounted, as it stands there (octal escapes included): `/` for all of it. */
  readonly root: string;
  readonly path: string;
  /** Of this mount: `rw`, `nosuid`, … */
  readonly options: readonly string[];
  readonly fsType: string;
  readonly source: string;
  /** Of the file system behind it, shared by all mounts of it. */
  readonly superOptions: readonly string[];
}

/** Parses a whole mountinfo. A line that has not its form is left out: a wrong guess would be worse than a gap. */
export function parseMountinfo(text: string): MountEntry[] {
  return text.split('\n').flatMap((line) => parseLine(line) ?? []);
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  // id parent major:minor root path options [optional…] - type source super-options
  const dash = fields.indexOf('-', 6);
  const [id = '', parent = '', device = '', root = '', path = '', options = ''] = fields;
  if (dash < 0 || !/^\d+$/.test(id) || !/^\d+$/.test(parent)) return undefined;
  const [fsType = '', source = '', superOptions = ''] = fields.slice(dash + 1);
  if (fsType === '' || !path.startsWith('/')) return undefined;
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root,
    path: unescapeOctal(path),
    options: unescapeOctal(options).split(','),
    fsType: unescapeOctal(fsType),
    source: unescapeOctal(source),
    superOptions: unescapeOctal(superOptions).split(','),
  };
}

/** Space, tab, newline and backslash stand as octal in a mountinfo. */
function unescapeOctal(field: string): string {
  if (!field.includes('\\')) return field;
  const bytes = Buffer.from(field, 'utf8').toString('latin1');
  const plain = bytes.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(plain, 'latin1').toString('utf8');
}

/**
 * The mount that a path walk to `path` ends in, when it is mounted exactly there; undefined when nothing is, or when a
 * mount further up (over `/home`) hides it. Of stacked mounts it is the top one. Walks as the kernel does: from the
 * root, at each component, into the mount that covers it.
 */
export function visibleMount(entries: readonly MountEntry[], path: string): MountEntry | undefined {
  const byParent = new Map<number, MountEntry[]>();
  const ids = new Set(entries.map(({ id }) => id));
  for (const entry of entries) {
    if (!isWithin(path, entry.path) || entry.parent === entry.id) continue;
    const siblings = byParent.get(entry.parent);
    if (siblings === undefined) byParent.set(entry.parent, [entry]);
    else siblings.push(entry);
  }
  let at = entries.find(({ path, parent, id }) => path === '/' && (!ids.has(parent) || parent === id));
  while (at !== undefined) {
    const here = at.path;
    const covers = (byParent.get(at.id) ?? []).filter((entry) => isWithin(entry.path, here));
    if (covers.length === 0) break;
    // The shortest path is met first. Each step goes to a child, so the walk ends.
    at = covers.reduce((first, entry) => (entry.path.length < first.path.length ? entry : first));
  }
  return at?.path === path ? at : undefined;
}

function isWithin(path: string, ancestor: string): boolean {
  return ancestor === '/' || path === ancestor || path.startsWith(`${ancestor}/`);
}

/** How many mounts lie on `path`, one over the other, hidden ones included. */
export function mountDepth(entries: readonly MountEntry[], path: string): number {
  return entries.filter((entry) => entry.path === path).length;
}
