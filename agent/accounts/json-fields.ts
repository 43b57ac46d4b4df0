/** A string of JSON, with the colon that makes it a field's name and the scalar that follows; or a bracket. */
const TOKEN = /"([^"\\]*(?:\\.[^"\\]*)*)"(?:(\s*:)\s*(false|true|null|"[^"\\]*(?:\\.[^"\\]*)*")?)?|[{}[\]]/g;

/** A user in a bundle has three levels, a key of it five. */
const DEEPEST = 32;
/** Of the names that lead to a field, the outermost: "users", the user's own, and one field of it. */
const LONGEST_PATH = 3;

/** Where a field is: the names that lead to it, from the outermost object; at most three of them. */
export type FieldPath = readonly string[];

export interface Fields {
  /** Fields that an object names twice. JSON.parse lets the last one win and tells nobody. */
  readonly repeated: readonly FieldPath[];
  /** Values of the fields that were asked for, each time that one of them is there. */
  readonly values: readonly { readonly path: FieldPath; readonly value: unknown }[];
  /** Whether it is nested deeper than anything that a secret has to say. */
  readonly isDeep: boolean;
}

interface Open {
  /** Fields of this object so far; null: it is a list. */
  readonly fields: Set<string> | null;
  /** Names that lead to it; lists add none. */
  readonly path: FieldPath;
}

/**
 * Looks at the fields of a JSON text one by one, in time and memory that grow with its length alone.
 * @param text JSON that JSON.parse takes
 * @param wanted names of fields whose values are looked for, wherever they are; only `true`, `false`, `null` and strings
 */
export function scanFields(text: string, wanted: readonly string[]): Fields {
  const repeated: FieldPath[] = [];
  const values: { path: FieldPath; value: unknown }[] = [];
  const open: Open[] = [];
  let next: FieldPath = [];
  let depth = 0;
  let isDeep = false;
  for (const [token, quoted = '', colon, scalar] of text.matchAll(TOKEN)) {
    const innermost = depth <= DEEPEST ? open.at(-1) : undefined;
    if (token === '{' || token === '[') {
      depth += 1;
      isDeep ||= depth > DEEPEST;
      const path = innermost?.fields ? next : (innermost?.path ?? []);
      if (depth <= DEEPEST) open.push({ fields: token === '{' ? new Set() : null, path });
    } else if (token === '}' || token === ']') {
      if (depth <= DEEPEST) open.pop();
      depth -= 1;
    } else if (colon !== undefined && innermost?.fields) {
      // Two spellings of one name, such as "\u0061" and "a".
      const field = String(JSON.parse(`"${quoted}"`));
      next = [...innermost.path, field].slice(0, LONGEST_PATH);
      if (innermost.fields.has(field)) repeated.push(next);
      innermost.fields.add(field);
      const isWhole = innermost.path.length < LONGEST_PATH;
      if (isWhole && scalar !== undefined && wanted.includes(field))
        values.push({ path: next, value: JSON.parse(scalar) });
    }
  }
  return { repeated, values, isDeep };
}
